"""Ctrl-C while members are fitted ends the fit of the stack."""

from __future__ import annotations

import signal

import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from flowkit import StackedDensity, StopTraining, TableDensity

from ..table import FLOWS
from .examples import rows, stack

X = rows(100)


class Acts(Callback):
    """Ends training in the second epoch of each fit; counts fits over all copies."""

    fits: list = []

    def __init__(self, act):
        self.act = act

    def on_train_begin(self, net, **kwargs):
        Acts.fits.append(1)

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            self.act()


def press():
    signal.raise_signal(signal.SIGINT)


def stop():
    raise StopTraining


@pytest.fixture(autouse=True)
def sigint_is_heard(monkeypatch):
    """Processes that a shell started in the background ignore SIGINT."""
    monkeypatch.setattr(Acts, "fits", [])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def flow(act):
    return FLOWS["affine_coupling"](n_transforms=1, max_epochs=5, callbacks=[Acts(act)])


HOLDERS = {
    "itself": lambda density: density,
    "pipeline": make_pipeline,
    "table": TableDensity,
    "search": lambda density: GridSearchCV(density, {"max_epochs": [4, 5]}, cv=2),
    "stack": lambda density: StackedDensity([("within", density)]),
}


@pytest.mark.parametrize("hold", HOLDERS.values(), ids=HOLDERS)
@pytest.mark.parametrize("options", [{}, {"cv": 3, "ensemble": True}], ids=str)
def test_the_first_ctrl_c_ends_all_fits(hold, options):
    density = stack(**options).fit(X)
    density.set_params(wide=hold(flow(press)), mixture="drop", narrow=KernelDensity())
    before = dict(vars(density))
    with pytest.raises(KeyboardInterrupt):
        density.fit(X)
    assert len(Acts.fits) == 1
    assert vars(density) == before


def test_other_ends_and_later_fits_are_as_ever():
    density = stack([("flow", flow(stop)), ("kernels", KernelDensity())]).fit(X)
    assert len(Acts.fits) == 2
    assert density.estimators_[0].n_iter_ == 2
    with pytest.raises(KeyboardInterrupt):
        stack([("flow", flow(press))]).fit(X)
    with pytest.warns(match="training was interrupted in epoch 2"):
        alone = flow(press).fit(X)
    assert alone.n_iter_ == 2

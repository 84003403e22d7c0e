"""Faults in the midst of a fit: nothing is lost, and the error says what happened."""

from __future__ import annotations

import os
import signal
import warnings

import numpy as np
import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from flowkit import FlowDensity, StackedDensity, _replacing
from flowkit.exceptions import (
    BatchInPartsWarning,
    BatchMemoryError,
    CheckpointError,
    FitDivergedError,
    LostProcessError,
)
from flowkit.training import checkpoint
from flowkit.training.net import DensityNet

from .examples import SMALL, correlated, every_class


class Raises(Callback):
    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            raise ZeroDivisionError("no luck")


class SpoilsGradients(Callback):
    """Makes gradients NaN, always or in some steps."""

    def __init__(self, steps=None):
        self.steps, self.n_steps = steps, 0

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.n_steps += 1
        if self.steps is None or self.n_steps in self.steps:
            for _, parameter in named_parameters:
                if parameter.grad is not None:
                    parameter.grad.fill_(np.nan)


class Explodes(Callback):
    """Throws the weights far off in a step."""

    def on_batch_end(self, net, training=False, **kwargs):
        if training and net.n_steps_ == 3:
            net.flat_.vector.data.mul_(1e4)


class KillsItself(Callback):
    def on_epoch_end(self, net, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)


def out_of_memory(monkeypatch, max_rows):
    add = DensityNet._add_gradient

    def fails(self, part, *args):
        loss = add(self, part, *args)
        if len(part[0]) > max_rows:
            raise torch.OutOfMemoryError("out of memory")
        return loss

    monkeypatch.setattr(DensityNet, "_add_gradient", fails)


FAULTS = {
    "callback": (Raises, ZeroDivisionError),
    "gradients": (SpoilsGradients, FitDivergedError),
    "memory": (None, BatchMemoryError),
}


@pytest.mark.parametrize("fault", FAULTS)
@every_class
def test_a_fault_leaves_the_estimator_as_it_was(build, fault, X, monkeypatch):
    make, error = FAULTS[fault]
    callbacks = None if make is None else [make()]
    density = build(callbacks=callbacks)
    fitted = build().fit(X).set_params(callbacks=callbacks)
    before, scores = dict(vars(fitted)), fitted.score_samples(X)
    if make is None:
        out_of_memory(monkeypatch, 0)
    for fit in (density.fit, density.partial_fit, fitted.fit, fitted.partial_fit):
        with pytest.raises(error):
            fit(X)
    assert not [name for name in vars(density) if name.endswith("_")]
    assert {k: v for k, v in vars(fitted).items() if k != "_stream"} == {
        k: v for k, v in before.items() if k != "_stream"
    }
    np.testing.assert_array_equal(fitted.score_samples(X), scores)


def test_errors_of_callbacks_say_where_they_come_from(X):
    with pytest.raises(ZeroDivisionError, match="no luck") as info:
        FlowDensity(**SMALL, callbacks=[Raises()]).fit(X)
    assert info.value.__notes__ == [
        "Raised by on_batch_end of the callback Raises in epoch 1 of a training."
    ]


@every_class
def test_gradients_that_are_not_finite_in_a_step_are_survived(build, X):
    density = build(callbacks=[SpoilsGradients({2})], max_epochs=4).fit(X)
    assert density.n_iter_ == 4
    assert np.isfinite(density.score(X))


@every_class
def test_weights_that_explode_are_not_kept(build, X):
    density = build(callbacks=[Explodes()], max_epochs=4, batch_size=60).fit(X)
    valid = density.history_["valid_log_density"]
    assert np.isfinite(density.score(X))
    assert density.best_epoch_ == np.nanargmax(valid)


@every_class
def test_batches_that_do_not_fit_into_memory_are_taken_in_parts(build, X, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error", BatchInPartsWarning)
        build(batch_size=100).fit(X)
    out_of_memory(monkeypatch, 40)
    with pytest.warns(BatchInPartsWarning, match=r"100 rows .* 4 parts .* batch_size=25") as caught:
        density = build(batch_size=100).fit(X)
    assert np.isfinite(density.score(X))
    assert {w.filename for w in caught if w.category is BatchInPartsWarning} == {__file__}
    with pytest.warns(BatchInPartsWarning):
        build(batch_size=100).partial_fit(X)


def test_parts_change_a_fit_by_rounding_alone(X, monkeypatch):
    options = {**SMALL, "dropout": 0.0, "dtype": "float64", "batch_size": 100}
    whole = FlowDensity(**options).fit(X)
    out_of_memory(monkeypatch, 40)
    with pytest.warns(BatchInPartsWarning):
        parted = FlowDensity(**options).fit(X)
    np.testing.assert_allclose(parted.score_samples(X), whole.score_samples(X), rtol=1e-8)


def test_a_full_disk_ends_a_fit_that_goes_on_later(tmp_path, X, monkeypatch):
    file = tmp_path / "training.pt"
    reference = FlowDensity(**SMALL).fit(X)
    density = FlowDensity(**SMALL, checkpoint=file)
    n_written, fsync = [], os.fsync

    def full(handle):
        n_written.append(handle)
        if len(n_written) > 2:
            raise OSError(28, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(_replacing.os, "fsync", full)
    monkeypatch.setattr(checkpoint, "_MAX_SHARE", np.inf)
    with pytest.raises(CheckpointError, match="No space left"):
        density.fit(X)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["training.pt"]
    assert not hasattr(density, "module_")
    density.fit(X)
    np.testing.assert_array_equal(density.score_samples(X), reference.score_samples(X))
    assert not os.listdir(tmp_path)


def test_a_killed_worker_ends_a_search_and_nothing_more(X):
    density = FlowDensity(**SMALL, callbacks=[KillsItself()])
    search = GridSearchCV(density, {"hidden_units": [4, 8]}, n_jobs=2, cv=2)
    with pytest.raises(TerminatedWorkerError, match="memory"):
        search.fit(X)
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(density, "module_")
    search.set_params(estimator__callbacks=None, n_jobs=None).fit(X)
    assert np.isfinite(search.score(X))


def test_a_killed_worker_of_a_stack_is_told():
    X = correlated(n=120)
    stack = StackedDensity(
        [
            ("flow", FlowDensity(**SMALL, callbacks=[KillsItself()])),
            ("other", FlowDensity(**SMALL)),
        ],
        n_jobs=2,
    )
    with pytest.raises(LostProcessError, match=r"n_jobs=2 processes .* was killed"):
        stack.fit(X)
    assert not hasattr(stack, "weights_")

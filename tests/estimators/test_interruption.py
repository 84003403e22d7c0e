"""Training that ends early: callbacks, Ctrl-C, time that runs out; and what is shown of it."""

from __future__ import annotations

import signal
import threading
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from flowkit import DensityOutlierDetector, FlowDensity, StopTraining, TableDensity
from flowkit.exceptions import InterruptedFitWarning, NotConvergedWarning, UncopyableCallbackError
from flowkit.nested import interruptions_passed_on
from flowkit.training import callbacks as training_callbacks
from flowkit.training import fit_run

from .examples import SMALL, every_class


class EndsAt(Callback):
    """Ends training in a batch of the second epoch."""

    def __init__(self, act, n=1):
        self.act, self.n = act, n

    def on_batch_begin(self, net, training=False, **kwargs):
        if training and len(net.history) > self.n and len(net.history[-1]["batches"]) > 1:
            self.act()


def stop():
    raise StopTraining


def press():
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def sigint_is_heard():
    """Processes that a shell started in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@every_class
def test_a_callback_ends_training_in_silence(build, X):
    density = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(stop)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        density.fit(X)
    assert density.n_iter_ == 2
    assert {len(column) for column in density.history_.values()} == {3}
    assert density.best_epoch_ == np.argmax(density.history_["valid_log_density"])
    assert np.isfinite(density.score(X))


@pytest.mark.usefixtures("sigint_is_heard")
@every_class
def test_ctrl_c_keeps_the_best_weights_with_a_warning(build, X):
    density = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(press)])
    with pytest.warns(InterruptedFitWarning, match=r"in epoch 2; .*StopTraining"):
        density.fit(X)
    stopped = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(stop)]).fit(X)
    np.testing.assert_array_equal(density.score_samples(X), stopped.score_samples(X))
    with pytest.warns(InterruptedFitWarning):
        chunk = build(batch_size=60, callbacks=[EndsAt(press, 0)]).partial_fit(X)
    assert chunk.n_iter_ == 1
    assert {len(column) for column in chunk.history_.values()} == {1}


@pytest.mark.usefixtures("sigint_is_heard")
@every_class
def test_ctrl_c_is_passed_on_where_a_longer_fit_asks_for_it(build, X):
    density = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(press)])
    before = dict(vars(density))
    for fit in (density.fit, density.set_params(callbacks=[EndsAt(press, 0)]).partial_fit):
        with pytest.raises(KeyboardInterrupt), interruptions_passed_on():
            fit(X)
        assert vars(density).keys() == before.keys()
    stopped = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(stop)])
    with interruptions_passed_on():
        assert stopped.fit(X).n_iter_ == 2


@pytest.mark.usefixtures("sigint_is_heard")
def test_ctrl_c_before_training_leaves_the_estimator_as_it_was(X):
    class First(Callback):
        def on_train_begin(self, net, **kwargs):
            press()

    density = FlowDensity(**SMALL, callbacks=[First()])
    with pytest.raises(KeyboardInterrupt):
        density.fit(X)
    assert not hasattr(density, "module_")
    density.set_params(callbacks=None).fit(X)
    before = dict(vars(density))
    with pytest.raises(KeyboardInterrupt):
        density.set_params(callbacks=[First()]).fit(X)
    assert density.module_ is before["module_"]


@pytest.mark.parametrize("how", ["raise KeyboardInterrupt", "self.end()"])
def test_where_a_callback_raises_does_not_matter(how, X):
    """Its source may not even exist."""
    names = {"Callback": Callback}
    exec(
        "class Mine(Callback):\n"
        "    def end(self): raise KeyboardInterrupt\n"
        f"    def on_epoch_end(self, net, **kwargs): {how}\n",
        names,
    )
    with pytest.warns(InterruptedFitWarning, match="StopTraining"):
        density = FlowDensity(**SMALL, callbacks=[names["Mine"]()]).fit(X)
    assert density.n_iter_ == 1


class Clock:
    """Time that passes only when it is asked for."""

    def __init__(self, seconds=1.0):
        self.now, self.seconds = 0.0, seconds

    def monotonic(self):
        self.now += self.seconds
        return self.now


@every_class
def test_training_ends_in_time(build, X, monkeypatch):
    density = build(max_epochs=10_000, batch_size=60, max_time=30.0)
    monkeypatch.setattr(training_callbacks, "time", Clock())
    # What comes before training takes no time, however busy the machine is.
    monkeypatch.setattr(fit_run, "time", Clock(0.0))
    density.fit(X)
    # Twice a batch, of which an epoch has five.
    assert density.n_iter_ == 3
    assert {len(column) for column in density.history_.values()} == {4}
    rate = density.history_["learning_rate"][1:]
    assert rate[-1] < 0.1 * rate[0]
    assert np.isfinite(density.score(X))
    streamed = clone(density).set_params(max_time=4.0, partial_fit_epochs=50).partial_fit(X)
    assert streamed.n_iter_ == 1


@pytest.mark.parametrize("max_time", [0, -1.0, "1s"])
def test_impossible_times_are_refused(max_time, X):
    with pytest.raises(ValueError, match="max_time"):
        FlowDensity(max_time=max_time).fit(X)


def test_an_unfinished_fit_says_so(monkeypatch):
    t = np.random.default_rng(0).normal(size=(400, 1))
    X = np.hstack([t, t**2, np.sin(3 * t)])
    X += 0.02 * np.random.default_rng(1).normal(size=X.shape)
    options = {**SMALL, "prior": "normal", "batch_size": 400, "max_epochs": 40}
    options["learning_rate"] = 0.01

    class Later(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 40:
                raise StopTraining

    with pytest.warns(NotConvergedWarning, match=r"gained .* in the last 20 epochs: raise max_ep"):
        FlowDensity(**options).fit(X)
    assert issubclass(NotConvergedWarning, ConvergenceWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FlowDensity(**{**options, "max_epochs": 30}).fit(X)
        FlowDensity(**options, partial_fit_epochs=40).partial_fit(X)
        FlowDensity(**{**options, "max_epochs": 99}, callbacks=[Later()]).fit(X)
        FlowDensity(**options).fit(np.random.default_rng(0).normal(size=(400, 2)))
    monkeypatch.setattr(training_callbacks, "time", Clock())
    with pytest.warns(NotConvergedWarning, match="raise max_time"):
        FlowDensity(**{**options, "max_epochs": 9999}, max_time=90.0).fit(X)


@every_class
def test_callbacks_that_cannot_be_copied_are_named(build, X):
    class Locked(Callback):
        def __init__(self):
            self.lock = threading.Lock()

    density = build(callbacks=[Locked()])
    for method in (density.fit, density.partial_fit):
        with pytest.raises(UncopyableCallbackError, match=r"Locked.*initialize"):
            method(X)
    assert not hasattr(density, "module_")
    for holder in (TableDensity(density), DensityOutlierDetector(density)):
        with pytest.raises(UncopyableCallbackError, match=r"Locked.*initialize"):
            holder.fit(X)


def test_verbose_shows_a_bar_and_silence_is_silent(X, capsys):
    FlowDensity(**SMALL).fit(X)
    quiet = capsys.readouterr()
    assert (quiet.out, quiet.err) == ("", "")
    FlowDensity(**SMALL, verbose=1).fit(X)
    assert "hold-out" in capsys.readouterr().err


def test_time_that_the_start_has_used_up_is_told(X):
    with pytest.warns(NotConvergedWarning, match=r"max_time=1e-06 ran out .* initial"):
        density = FlowDensity(**{**SMALL, "max_time": 1e-6}).fit(X)
    assert density.n_iter_ == 1

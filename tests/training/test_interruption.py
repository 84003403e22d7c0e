"""Training that is broken off by callbacks, by Ctrl-C or by its time."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping

from flowkit import StopTraining
from flowkit.training import callbacks, train

from .examples import Clock, D, Recorder, Shift, generator, options, rows


def test_user_callbacks_are_called_and_may_stop_training():
    recorder = Recorder()
    record = train(
        Shift(),
        rows(),
        rows(),
        options(
            max_epochs=50,
            callbacks=[recorder, EarlyStopping(patience=2, threshold=1e9, threshold_mode="abs")],
        ),
        generator(),
    )
    assert recorder.epochs == record.n_epochs < 50


METHODS = (
    "on_epoch_begin",
    "on_batch_begin",
    "on_grad_computed",
    "on_batch_end",
    "on_epoch_end",
)


class Ends(Callback):
    """Acts when one of its methods is called for the n-th time."""

    def __init__(self, method, n, act):
        self.method, self.n, self.act, self.n_calls = method, n, act, 0

    def __getattribute__(self, name):
        if name == super().__getattribute__("method"):
            return self.count
        return super().__getattribute__(name)

    def count(self, net, **kwargs):
        self.n_calls += 1
        if self.n_calls >= self.n:
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


@pytest.mark.usefixtures("sigint_is_heard")
@pytest.mark.parametrize("has_holdout", [True, False])
@pytest.mark.parametrize(("act", "ended_by"), [(stop, "callback"), (press, "interrupt")])
@pytest.mark.parametrize("method", METHODS)
def test_training_that_is_broken_off_keeps_its_best_weights(method, act, ended_by, has_holdout):
    module, holdout = Shift(), rows(60, seed=1) if has_holdout else None
    # In the third epoch, of six batches and one of the hold-out.
    n = 3 if "epoch" in method else 17
    record = train(module, rows(), holdout, options(callbacks=[Ends(method, n, act)]), generator())
    assert record.ended_by == ended_by
    assert record.n_epochs == (2 if method == "on_epoch_begin" else 3)
    assert all(len(column) == record.n_epochs + 1 for column in record.history.values())
    assert np.isfinite(record.history["train_log_density"][1:]).all()
    assert module.mean.abs().min() > 0.1
    if has_holdout:
        valid = record.history["valid_log_density"]
        assert record.best_epoch == np.argmax(valid)
        with torch.no_grad():
            assert module(holdout.x).mean().item() == pytest.approx(valid.max())
    else:
        assert record.best_epoch == record.n_epochs


@pytest.mark.parametrize("method", ["on_train_begin", "on_epoch_begin", "on_batch_begin"])
def test_training_may_stop_before_its_first_step(method):
    module = Shift()
    record = train(module, rows(), rows(), options(callbacks=[Ends(method, 1, stop)]), generator())
    assert (record.n_epochs, record.best_epoch, record.ended_by) == (0, 0, "callback")
    assert torch.equal(module.mean.detach(), torch.zeros(D))


@pytest.mark.usefixtures("sigint_is_heard")
@pytest.mark.parametrize("method", ["on_train_begin", "on_epoch_begin", "on_batch_begin"])
def test_ctrl_c_before_the_first_step_is_not_swallowed(method):
    with pytest.raises(KeyboardInterrupt) as info:
        train(Shift(), rows(), rows(), options(callbacks=[Ends(method, 1, press)]), generator())
    assert not isinstance(info.value, StopTraining)


@pytest.mark.usefixtures("sigint_is_heard")
@pytest.mark.parametrize("act", [stop, press])
def test_an_end_that_is_broken_off_keeps_the_best_weights(act):
    module, holdout = Shift(), rows(60, seed=1)
    settings = options(callbacks=[Ends("on_train_end", 1, act)])
    record = train(module, rows(), holdout, settings, generator())
    with torch.no_grad():
        expected = module(holdout.x).mean().item()
    assert record.history["valid_log_density"].max() == pytest.approx(expected)


def test_a_module_that_warms_up_is_warm_when_training_was_broken_off():
    module = Shift()
    module.warmth = 0.0
    settings = options(divergence_warmup=1.0, callbacks=[Ends("on_batch_end", 3, stop)])
    train(module, rows(), None, settings, generator())
    assert module.warmth == 1.0


def test_training_ends_in_time_within_an_epoch_and_lets_the_rate_fall_until_then(monkeypatch):
    # Twice a batch, so that ten batches of six an epoch are left.
    monkeypatch.setattr(callbacks, "time", Clock())
    module, holdout = Shift(), rows(60, seed=1)
    settings = options(max_epochs=1000, max_time=20.0)
    record = train(module, rows(), holdout, settings, generator())
    assert (record.n_epochs, record.ended_by, record.broken_off) == (2, "max_time", True)
    rate = record.history["learning_rate"][1:]
    assert 0.02 < rate[0] < 0.04
    assert rate[1] < 1e-3
    with torch.no_grad():
        valid = record.history["valid_log_density"]
        assert valid.max() == pytest.approx(module(holdout.x).mean().item())
    assert record.best_epoch == 2


def test_time_that_does_not_run_out_changes_nothing():
    records = [
        train(Shift(), rows(), rows(seed=1), options(max_time=limit), generator())
        for limit in (None, 1e6)
    ]
    for name in ("train_log_density", "valid_log_density", "learning_rate"):
        np.testing.assert_array_equal(*(record.history[name] for record in records))
    assert {record.ended_by for record in records} == {"max_epochs"}


@pytest.mark.parametrize("max_time", [None, 20.0])
def test_the_bar_moves_with_the_steps_or_with_the_time(max_time, monkeypatch):
    shares = []

    class Reader(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            if training:
                shares.append(dict(net.callbacks_)["progress"].bar_.n)

    monkeypatch.setattr(callbacks, "time", Clock())
    settings = options(max_time=max_time, callbacks=[Reader()], verbose=1)
    train(Shift(), rows(), rows(), settings, generator())
    assert (np.diff(shares) > 0).all()
    assert shares[-1] == pytest.approx(1.0, abs=0.15)
    # 30 steps, of which time leaves one in four.
    assert (len(shares) == 30) == (max_time is None)

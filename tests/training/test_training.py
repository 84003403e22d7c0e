"""The skorch side: batches, schedule, early stopping, divergence, callbacks."""

from __future__ import annotations

import math
import signal

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping

from flowkit import FlowDensity, StopTraining
from flowkit.exceptions import FitDivergedError
from flowkit.modules import DensityModule
from flowkit.training import (
    Noise,
    Rows,
    TrainingOptions,
    TrainingRecord,
    callbacks,
    make_net,
    make_stream,
    train,
    train_chunk,
)
from flowkit.training.data import OrderedBatches, ShuffledBatches

N, D = 103, 2


def options(**changes):
    defaults = {
        "max_epochs": 5,
        "batch_size": 20,
        "learning_rate": 0.05,
        "weight_decay": 0.0,
        "patience": None,
        "tol": 1e-4,
        "noise": Noise(),
    }
    return TrainingOptions(**{**defaults, **changes})


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class Shift(DensityModule):
    """Normal density with a free mean: the smallest thing that trains."""

    def __init__(self):
        super().__init__(D)
        self.mean = torch.nn.Parameter(torch.zeros(D))

    def log_prob(self, x, context=None):
        return -0.5 * ((x - self.mean) ** 2).sum(1) - math.log(2 * math.pi)


def rows(n=N, mean=1.0, seed=0):
    return Rows(mean + torch.randn(n, D, generator=generator(seed)))


def test_shuffled_batches_cover_all_rows_once_in_nearly_equal_parts():
    data = Rows(torch.arange(N, dtype=torch.float32)[:, None], torch.arange(N))
    batches = list(ShuffledBatches(data, 20, Noise(), generator()))
    assert {len(x) for x, _ in batches} <= {17, 18}
    assert all(torch.equal(x[:, 0], w.float()) for x, w in batches)
    order = torch.cat([x for x, _ in batches])[:, 0]
    assert sorted(order.tolist()) == list(range(N))
    assert order.tolist() != list(range(N))


def test_shuffled_batches_differ_by_pass_and_repeat_by_seed():
    data = rows()
    batches = ShuffledBatches(data, 20, Noise(), generator())
    first, second = (torch.cat([x for x, _ in batches]) for _ in range(2))
    again = torch.cat([x for x, _ in ShuffledBatches(data, 20, Noise(), generator())])
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_ordered_batches_keep_the_order():
    data = rows()
    parts = list(OrderedBatches(data, 20))
    assert torch.equal(torch.cat([x for x, _ in parts]), data.x)
    assert len(parts) == len(OrderedBatches(data, 20)) == 6


def test_noise_has_the_stated_size():
    x = torch.zeros(20_000, 2)
    uniform = Noise(uniform=torch.tensor([0.0, 2.0])).add(x, generator())
    assert (uniform[:, 0] == 0).all()
    assert uniform[:, 1].abs().max().item() == pytest.approx(1.0, abs=1e-3)
    assert uniform[:, 1].mean().item() == pytest.approx(0.0, abs=0.02)
    normal = Noise(normal=0.3).add(x, generator())
    assert normal.std().item() == pytest.approx(0.3, rel=0.02)


def test_training_moves_to_the_optimum_and_records_each_epoch():
    module = Shift()
    data = rows(2000)
    record = train(module, data, rows(200, seed=1), options(max_epochs=10), generator())
    torch.testing.assert_close(module.mean.detach(), data.x.mean(0), rtol=0, atol=0.1)
    assert record.n_epochs == 10
    assert all(len(column) == 11 for column in record.history.values())
    assert np.isnan(record.history["train_log_density"][0])
    assert np.isfinite(record.history["train_log_density"][1:]).all()
    assert np.isfinite(record.history["valid_log_density"]).all()


def test_history_is_the_mean_log_density_of_the_kept_weights():
    module, holdout = Shift(), rows(60, seed=1)
    record = train(module, rows(), holdout, options(), generator())
    with torch.no_grad():
        expected = module(holdout.x).mean().item()
    assert record.history["valid_log_density"][record.best_epoch] == pytest.approx(expected)
    assert record.best_epoch == np.argmax(record.history["valid_log_density"])


def test_the_start_is_a_candidate_of_early_stopping():
    module = Shift()
    # The hold-out is best described by the start, so every epoch makes it worse.
    record = train(module, rows(mean=5.0), rows(mean=0.0), options(patience=3), generator())
    assert record.best_epoch == 0
    assert record.n_epochs == 3
    assert torch.equal(module.mean.detach(), torch.zeros(D))


def test_early_stopping_ends_on_negative_losses_too():
    class Worsening(DensityModule):
        """Log densities far above zero that fall a little with every training step."""

        def __init__(self):
            super().__init__(D)
            self.level = torch.nn.Parameter(torch.zeros(()))
            self.register_buffer("steps", torch.zeros(()))

        def log_prob(self, x, context=None):
            return (100 + 0 * self.level - 1e-3 * self.steps).expand(len(x))

        def loss(self, batch):
            self.steps += 1
            return super().loss(batch)

    record = train(Worsening(), rows(), rows(), options(max_epochs=30, patience=4), generator())
    assert (record.n_epochs, record.best_epoch) == (4, 0)


def test_small_gains_are_kept_but_do_not_renew_the_patience():
    record = train(
        Shift(), rows(), rows(seed=1), options(max_epochs=50, patience=5, tol=100.0), generator()
    )
    assert record.n_epochs == 5
    assert record.best_epoch > 0


def test_without_a_holdout_the_last_weights_stay():
    module = Shift()
    record = train(module, rows(), None, options(), generator())
    assert record.best_epoch == record.n_epochs == 5
    assert np.isnan(record.history["valid_log_density"]).all()
    assert module.mean.abs().sum() > 0


def test_learning_rate_warms_up_and_falls_to_zero():
    record = train(Shift(), rows(), None, options(max_epochs=40), generator())
    rate = record.history["learning_rate"][1:]
    assert rate.max() == pytest.approx(0.05, rel=0.01)
    assert rate.argmax() <= 3
    assert (np.diff(rate[3:]) < 0).all()
    assert rate[-1] < 1e-4


def test_weights_act_as_repeats_do():
    """One full-batch step with weight two is the step with the row repeated."""
    x = torch.randn(10, D, generator=generator())
    weight = torch.ones(10)
    weight[0] = 2.0
    repeated = Rows(torch.cat((x[:1], x)))
    weighted = Rows(x, weight / weight.mean())
    means = []
    for data in (weighted, repeated):
        module = Shift()
        train(module, data, None, options(batch_size=100, max_epochs=3), generator())
        means.append(module.mean.detach())
    torch.testing.assert_close(*means)


class Breaks(DensityModule):
    """Gives a non-finite loss at chosen training steps, counted over its whole life."""

    def __init__(self, at):
        super().__init__(D)
        self.mean = torch.nn.Parameter(torch.zeros(D))
        self.at, self.step = at, 0

    def log_prob(self, x, context=None):
        return -0.5 * ((x - self.mean) ** 2).sum(1)

    def loss(self, batch):
        self.step += 1
        return super().loss(batch) * (math.nan if self.step in self.at else 1.0)


def test_a_non_finite_loss_sends_back_to_the_best_weights_at_half_the_rate():
    module = Breaks(at=(20, 33))
    settings = options(max_epochs=9, schedule=False)
    record = train(module, rows(), rows(seed=1), settings, generator())
    assert torch.isfinite(module.mean).all()
    # Six batches an epoch: step 20 lies in epoch 4, which it ends; step 33 lies in epoch 7.
    expected = [0.05] * 3 + [0.025] * 3 + [0.0125] * 3
    np.testing.assert_allclose(record.history["learning_rate"][1:], expected)
    before, after = record.history["valid_log_density"][[3, 4]]
    assert after == pytest.approx(before)


def test_a_loss_that_stays_non_finite_is_an_error_that_says_what_to_try():
    with pytest.raises(FitDivergedError, match=r"epoch 3 at learning rate .*learning_rate") as info:
        train(Breaks(at=range(1, 1000)), rows(), rows(), options(), generator())
    assert "half the rate" in str(info.value)


def test_infinite_gradients_count_as_divergence():
    class Steep(Shift):
        def log_prob(self, x, context=None):
            # Finite value, infinite gradient.
            return super().log_prob(x) + torch.sqrt((self.mean - self.mean.detach()).abs()).sum()

    with pytest.raises(FitDivergedError):
        train(Steep(), rows(), None, options(), generator())


class Recorder(Callback):
    def __init__(self):
        self.epochs = 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1
        self.last = net.history[-1]["train_loss"]


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


class Clock:
    """Time that passes only when it is asked for."""

    def __init__(self, seconds=1.0):
        self.now, self.seconds = 0.0, seconds

    def monotonic(self):
        self.now += self.seconds
        return self.now


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


class Scripted(DensityModule):
    """Gives log densities of a list, one a validation, the first for the initial weights."""

    def __init__(self, log_densities):
        super().__init__(D)
        self.level = torch.nn.Parameter(torch.zeros(()))
        self.log_densities = list(log_densities)

    def loss(self, batch):
        return 0 * self.level

    def validation_loss(self, batch):
        return self.level - self.log_densities.pop(0)


FALL = [24.7, 21.8, 16.1, 11.2]


@pytest.mark.parametrize(
    ("log_densities", "n_epochs", "best_epoch"),
    [
        # Back above the start long after patience would have run out, and better than it.
        ([*FALL, *np.arange(12, 28)], 19, 19),
        # Where the first epoch was a gain by chance.
        ([24.7, 24.8, 16.1, 11.2, *np.arange(12, 28)], 19, 19),
        # It rises for a while, but not above the start.
        ([*FALL, 12.0, 13.0, 13.0, 13.0, 12.0, 13.0, 12.0], 9, 0),
        # It keeps falling, with ups that are none.
        ([5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0], 4, 0),
        # Above the start patience is what it was.
        ([1.0, 2.0, 3.0, 2.5, 2.9, 2.0, 2.9], 6, 2),
        # A late fall is no new start.
        ([1.0, 2.0, 3.0, 2.5, 2.9, 0.0, 0.1, 0.2], 6, 2),
    ],
)
def test_patience_waits_for_what_is_coming_back_from_a_fall(log_densities, n_epochs, best_epoch):
    # The list is longer than training should be.
    module = Scripted([*log_densities, *[-99.0] * 20])
    settings = options(max_epochs=len(log_densities) - 1, patience=4)
    record = train(module, rows(), rows(30), settings, generator())
    assert (record.n_epochs, record.best_epoch) == (n_epochs, best_epoch)


def record_of(valid, **changes):
    return TrainingRecord(
        {"valid_log_density": np.asarray(valid, dtype=float)}, len(valid) - 1, **changes
    )


def test_late_gains_are_those_of_a_training_that_its_length_ended():
    rising = np.linspace(0.0, 10.0, 41)
    gain, n_epochs = record_of(rising).late_gain()
    assert n_epochs == 20
    assert gain == pytest.approx(5.0)
    assert record_of(rising, ended_by="max_time").late_gain()[0] == gain
    for reason in ("patience", "callback", "interrupt"):
        assert record_of(rising, ended_by=reason).late_gain()[0] == 0
    # Few epochs, no hold-out, a fit that has converged, one lucky epoch.
    lucky = np.zeros(41)
    lucky[-1] = 1.0
    for quiet in (rising[:15], np.full(41, np.nan), np.minimum(rising, 5.0), rising[::-1], lucky):
        assert record_of(quiet).late_gain()[0] <= 0.1


def test_estimator_does_not_change_the_callbacks_it_is_given():
    recorder = Recorder()
    X = np.random.default_rng(0).normal(size=(60, 2))
    FlowDensity(n_transforms=1, max_epochs=2, callbacks=[recorder]).fit(X)
    assert recorder.epochs == 0


def test_gradients_are_clipped():
    seen = []

    class Norm(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            if training:
                seen.append(net.module_.mean.grad.norm().item())

    train(Shift(), rows(mean=1e4), None, options(callbacks=[Norm()]), generator())
    assert max(seen) <= 5.0 + 1e-3


def test_net_is_a_plain_skorch_net():
    net = make_net(Shift(), None, options(), generator(), N)
    assert net.get_params()["max_epochs"] == 5
    net.fit(rows())
    assert len(net.history) == 5


# ---------------------------------------------------------------- streams


def stream_of(module, **changes):
    settings = options(schedule=False, max_setbacks=0, max_epochs=1, **changes)
    net = make_stream(module, None, settings, generator())
    return lambda x, judges: train_chunk(net, x, judges, settings, generator())


def test_weights_that_judges_like_less_are_not_kept_but_the_path_goes_on():
    module = Shift()
    go_on = stream_of(module)
    kept, record = go_on(rows(mean=3.0), rows(mean=-1.0))
    assert record.best_epoch == 0
    assert torch.equal(kept.mean.detach(), torch.zeros(D))
    assert module.mean.detach().min() > 0
    kept, record = go_on(rows(mean=3.0), rows(mean=3.0))
    assert record.best_epoch == 1
    assert kept.mean.detach().min() > 0


def test_without_judges_the_average_is_kept():
    module = Shift()
    kept, record = stream_of(module)(rows(2000, mean=3.0), None)
    assert record.best_epoch == 1
    assert np.isnan(record.history["valid_log_density"]).all()
    assert (kept.mean.detach() > 0).all()
    assert (kept.mean < module.mean).all()


def test_the_rate_of_a_stream_rises_over_its_first_steps_and_stays():
    seen = []

    class Rate(Callback):
        def on_batch_end(self, net, training=False, **kwargs):
            seen.append(net.optimizer_.param_groups[0]["lr"])

    go_on = stream_of(Shift(), callbacks=[Rate()])
    for seed in range(3):
        go_on(rows(1000, seed=seed), None)
    expected = 0.05 * np.minimum(1, np.arange(1, 151) / 100)
    # skorch copies no callbacks, so that all rates are seen.
    np.testing.assert_allclose(seen, expected)


def test_a_chunk_ends_in_time(monkeypatch):
    monkeypatch.setattr(callbacks, "time", Clock())
    _, record = stream_of(Shift(), max_time=20.0)(rows(1000), rows())
    assert record.ended_by == "max_time"
    assert record.n_epochs == len(record.history["valid_log_density"]) == 1

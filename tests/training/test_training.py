"""The skorch side: schedule, history, divergence, the net."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from flowkit import FlowDensity
from flowkit.exceptions import FitDivergedError
from flowkit.modules import DensityModule
from flowkit.training import Rows, make_net, train

from .examples import D, N, Recorder, Shift, generator, options, rows


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
    settings = options(patience=3, max_epochs=20)
    record = train(module, rows(mean=5.0), rows(mean=0.0), settings, generator())
    assert record.best_epoch == 0
    assert record.n_epochs == 6
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
    assert (record.n_epochs, record.best_epoch) == (8, 0)


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
                seen.append(net.flat_.vector.grad.norm().item())

    train(Shift(), rows(mean=1e4), None, options(callbacks=[Norm()]), generator())
    assert max(seen) <= 5.0 + 1e-3


def test_net_is_a_plain_skorch_net():
    net = make_net(Shift(), None, options(), generator(), N)
    assert net.get_params()["max_epochs"] == 5
    net.fit(rows())
    assert len(net.history) == 5

"""The net: what it asks of a module, and what skorch's own callbacks find."""

from __future__ import annotations

import numpy as np
import torch
from skorch.callbacks import Callback, EpochScoring

from flowkit.modules import DensityModule
from flowkit.training import Noise, Rows, TrainingOptions, make_net, make_stream, train_chunk


def options(**changes):
    defaults = {
        "max_epochs": 3,
        "batch_size": 20,
        "learning_rate": 0.05,
        "weight_decay": 0.0,
        "patience": None,
        "tol": 1e-4,
        "noise": Noise(),
    }
    return TrainingOptions(**{**defaults, **changes})


def rows(n=100, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Rows(1 + torch.randn(n, 2, generator=generator), torch.ones(n))


class Spy(DensityModule):
    """A normal density whose scores are those of the weights that were refreshed last."""

    def __init__(self):
        super().__init__(2)
        self.mean = torch.nn.Parameter(torch.zeros(2))
        self.register_buffer("scored", torch.zeros(2), persistent=False)
        self.n_refreshed = 0

    def refresh(self):
        self.n_refreshed += 1
        self.scored.copy_(self.mean.detach())

    def log_prob(self, x, context=None):
        return -0.5 * ((x - self.scored) ** 2).sum(1)

    def loss(self, batch):
        x, weight = batch
        self.monitored = {"mean_weight": weight.mean()}
        return 0.5 * (weight * ((x - self.mean) ** 2).sum(1)).mean()

    def validation_loss(self, batch):
        # Rows held out are scored by the weights as they are now.
        assert torch.equal(self.scored, self.mean.detach())
        return super().validation_loss(batch)


def net_of(module, holdout=None, **changes):
    return make_net(module, holdout, options(**changes), torch.Generator().manual_seed(0), 100)


def test_weights_are_refreshed_before_rows_are_scored_and_not_oftener():
    module = Spy()
    net = net_of(module.train(), rows(30, 1)).fit(rows())
    assert net.history[-1]["mean_weight"] == 1.0
    # Before the first epoch, after each, and when the best weights are loaded.
    assert module.n_refreshed == 1 + 3 + 1
    assert torch.equal(module.scored, module.mean.detach())
    assert all(np.diff(net.history[:, "valid_loss"]) < 0)


def test_few_rows_an_epoch_make_few_steps_and_one_full_schedule():
    few = net_of(Spy().train(), max_rows=40).fit(rows())
    alone = make_net(Spy().train(), None, options(), torch.Generator().manual_seed(0), 40)
    alone.fit(rows(40))
    assert [len(row["batches"]) for row in few.history] == [2, 2, 2]
    rates = [net.history[:, "learning_rate"] for net in (few, alone)]
    assert rates[0] == rates[1]


def test_streams_refresh_too():
    settings = options(schedule=False, max_setbacks=0, max_epochs=1)
    generator = torch.Generator().manual_seed(0)
    net = make_stream(Spy(), None, settings, generator)
    for seed in range(3):
        kept, _ = train_chunk(net, rows(seed=seed), rows(30, 9), settings, generator)
        assert torch.equal(kept.scored, kept.mean.detach())


def test_the_net_predicts_log_densities():
    net = net_of(Spy().train()).fit(rows())
    x = rows(30, 1)
    with torch.no_grad():
        expected = net.module_.log_prob(x.x).numpy()
    assert torch.equal(net.module_.scored, net.module_.mean.detach())
    np.testing.assert_allclose(net.predict(x), expected)


def test_scoring_callbacks_of_skorch_work():
    def mean_log_density(net, X, y):
        assert y is None
        # Summed in the order in which the loss is, as single precision rounds.
        return torch.from_numpy(net.predict(X)).mean().item()

    scoring = EpochScoring(mean_log_density, lower_is_better=False, name="mean")
    net = net_of(Spy(), rows(30, 1), callbacks=[scoring]).fit(rows())
    np.testing.assert_allclose(net.history[:, "mean"], -np.array(net.history[:, "valid_loss"]))


def test_callbacks_may_be_classes():
    seen = []

    class Counts(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append(len(net.history))

    net_of(Spy(), callbacks=[Counts]).fit(rows())
    assert seen == [1, 2, 3]

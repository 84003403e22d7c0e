"""Parameters learn at the rates of the modules that own them."""

from __future__ import annotations

import copy

import pytest
import torch

from flowkit.bijections import LULinear
from flowkit.modules import Flow
from flowkit.priors import GaussianMixture
from flowkit.training import make_net, train

from .examples import D, N, Shift, generator, options, rows

RATE = 1e-3


class Fast(Shift):
    learning_rate_factor = 4.0


def train_once(module):
    """One step of AdamW, whose first moves each number by its whole rate."""
    one_step = options(max_epochs=1, batch_size=N, learning_rate=RATE, schedule=False)
    return train(module, rows(), None, one_step, generator())


@pytest.mark.parametrize(("cls", "factor"), [(Shift, 1.0), (Fast, 4.0)])
def test_first_step_is_as_long_as_the_factor_says(cls, factor):
    module = cls()
    train_once(module)
    expected = torch.full((D,), factor * RATE)
    torch.testing.assert_close(module.mean.detach(), expected, rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("name", ["bijection.bias", "prior.means"])
def test_priors_and_linear_maps_learn_twelve_times_faster(name):
    flow = Flow(LULinear(D), GaussianMixture(D, 1))
    start = copy.deepcopy(dict(flow.named_parameters())[name])
    train_once(flow)
    moved = (dict(flow.named_parameters())[name] - start).abs().max().item()
    assert moved == pytest.approx(12 * RATE, rel=1e-3)


def test_recorded_rate_is_that_of_networks():
    record = train_once(Fast())
    assert record.history["learning_rate"][-1] == pytest.approx(RATE)


def test_weight_decay_does_not_depend_on_the_factor():
    net = make_net(Fast(), None, options(weight_decay=0.3), generator(), N)
    net.initialize()
    net.on_train_begin(net)
    (group,) = net.optimizer_.param_groups
    assert group["lr"] * group["weight_decay"] == pytest.approx(0.05 * 0.3)

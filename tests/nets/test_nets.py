"""Conditioner networks: masks, zero start, dropout from an explicit generator."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from flowkit.nets import MADE, ResidualMLP, set_generator
from flowkit.nets.layers import Dropout

from ..tensors import perturbed


@pytest.mark.parametrize(
    "net", [ResidualMLP(3, 4), MADE(3, 4), ResidualMLP(3, 4, n_context=2), MADE(3, 4, n_context=2)]
)
def test_output_starts_at_zero_and_rows_are_independent(net):
    n_context = 2 if net.first.weight.shape[1] == 5 or getattr(net, "context", None) else 0
    x = torch.randn(6, 3)
    context = torch.randn(6, 2) if n_context else None
    out = net(x, context)
    assert torch.equal(out, torch.zeros_like(out))
    net = perturbed(net)
    out = net(x.double(), None if context is None else context.double())
    alone = net(x[2:3].double(), None if context is None else context[2:3].double())
    torch.testing.assert_close(out[2:3], alone)


@pytest.mark.parametrize("hidden_units", [3, 16, 64])
@pytest.mark.parametrize("n_context", [0, 2])
@pytest.mark.parametrize("d", [1, 2, 7])
def test_made_output_sees_exactly_the_features_before(d, n_context, hidden_units):
    net = perturbed(
        MADE(d, 2, hidden_units=hidden_units, n_hidden_layers=3, n_context=n_context), scale=1.0
    )
    # Random signs and a smooth input keep relu from hiding a connection.
    weights = {name: p.abs() for name, p in net.state_dict().items()}
    net.load_state_dict(weights)
    context = torch.ones(1, n_context, dtype=torch.float64) if n_context else None
    x = torch.ones(1, d, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: net(v, context)[0], x)[:, 0]
    sees = (jacobian != 0).view(2, d, d)
    before = torch.ones(d, d).tril(-1).bool()
    assert not (sees & ~before).any()
    if hidden_units >= d:
        assert (sees == before).all()
    if n_context:
        by_context = torch.autograd.functional.jacobian(lambda c: net(x, c)[0], context)[:, 0]
        assert (by_context != 0).all()


def test_dropout_follows_its_generator_and_leaves_the_global_one_alone():
    layer = Dropout(0.3).train()
    x = torch.ones(200, 50)
    state = torch.get_rng_state()
    outs = []
    for seed in (0, 0, 1):
        layer.generator = torch.Generator().manual_seed(seed)
        outs.append(layer(x))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


def test_dropout_drops_its_share_keeps_the_mean_and_ends_in_evaluation():
    layer = Dropout(0.25)
    layer.generator = torch.Generator().manual_seed(0)
    x = torch.ones(1000, 101)
    out = layer.train()(x)
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)
    # Units are dropped independently along rows and along columns.
    kept = (out != 0).double()
    correlation = torch.corrcoef(kept.T) - torch.eye(101)
    assert correlation.abs().max() < 0.2
    assert torch.equal(layer.eval()(x), x)


def test_dropout_generators_are_set_everywhere_and_never_copied():
    net = ResidualMLP(2, 2, dropout=0.5)
    generator = torch.Generator()
    set_generator(net, generator)
    assert net.dropout.generator is generator
    assert copy.deepcopy(net).dropout.generator is None
    assert pickle.loads(pickle.dumps(net)).dropout.generator is None


def test_a_network_without_inputs_is_its_bias():
    net = perturbed(ResidualMLP(0, 3))
    out = net(torch.zeros(4, 0, dtype=torch.float64))
    assert out.shape == (4, 3)
    assert (out == out[0]).all()
    assert out.abs().sum() > 0

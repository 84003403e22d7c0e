"""Networks of groups: each on its own, or with one set of weights."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from flowkit.exceptions import InvalidParameterError
from flowkit.nets import KAN, GroupedMLP, set_generator
from flowkit.nets.layers import Dropout

from ..tensors import perturbed
from .examples import normal, seeded


def _outputs_of_groups_alone(net, build, x):
    """Slow reference: each group as a network of one group with the same weights."""
    outs = []
    for group in range(x.shape[0]):
        alone = build(3, 5, hidden_units=6, n_hidden_layers=2).double().eval()
        own = {k: v[group : group + 1] if v.ndim else v for k, v in net.state_dict().items()}
        alone.load_state_dict(own)
        outs.append(alone(x[group : group + 1]))
    return torch.cat(outs)


@pytest.fixture(params=[GroupedMLP, KAN])
def build(request):
    return request.param


@pytest.mark.parametrize("tied", [False, True])
def test_grouped_output_starts_at_zero(build, tied):
    net = build(3, 5, n_groups=4, tied=tied).train()
    out = net(normal(4, 3, 7, dtype=torch.float32))
    assert out.shape == (4, 5, 7)
    assert torch.equal(out, torch.zeros_like(out))


def test_groups_are_networks_of_their_own(build):
    net = build(3, 5, n_groups=4, hidden_units=6, n_hidden_layers=2).double().train()
    # Groups on scales of their own get knots of their own.
    net(normal(4, 3, 50) * torch.arange(1, 5)[:, None, None])
    net = perturbed(net)
    x = normal(4, 3, 7, seed=2)
    out = net(x)
    assert out.abs().min() > 0
    torch.testing.assert_close(out, _outputs_of_groups_alone(net, build, x))


def test_tied_groups_share_their_weights(build):
    options = {"n_groups": 4, "hidden_units": 6, "n_hidden_layers": 2}
    tied = build(3, 5, tied=True, **options).double().train()
    tied(normal(4, 3, 50))
    tied = perturbed(tied)
    loose = build(3, 5, **options).double().eval()
    assert sum(p.numel() for p in loose.parameters()) == 4 * sum(
        p.numel() for p in tied.parameters()
    )
    state = {k: v.expand(4, *v.shape[1:]) if v.ndim else v for k, v in tied.state_dict().items()}
    loose.load_state_dict(state)
    x = normal(4, 3, 7, seed=2)
    torch.testing.assert_close(tied(x), loose(x))
    tied(x).square().sum().backward()
    loose(x).square().sum().backward()
    for one, four in zip(tied.parameters(), loose.parameters(), strict=True):
        torch.testing.assert_close(one.grad, four.grad.sum(0, keepdim=True))


@pytest.mark.parametrize("tied", [False, True])
def test_rows_of_grouped_networks_are_independent(build, tied):
    net = perturbed(build(3, 5, n_groups=2, tied=tied))
    x = normal(2, 3, 7)
    torch.testing.assert_close(net(x)[:, :, 2:3], net(x[:, :, 2:3]))
    assert net(x[:, :, :0]).shape == (2, 5, 0)


@pytest.mark.parametrize("tied", [False, True])
def test_grouped_weights_come_from_their_generator(build, tied):
    state = torch.get_rng_state()
    weights = []
    for seed in (0, 0, 1):
        net = build(3, 5, n_groups=2, tied=tied, generator=seeded(seed))
        net.train()(normal(2, 3, 7, dtype=torch.float32))
        weights.append(torch.cat([p.flatten() for p in net.parameters()]))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_grouped_dropout_follows_its_generator(build):
    net = perturbed(build(3, 5, n_groups=4, dropout=0.3)).train()
    x = normal(4, 3, 50)
    net(x)
    state = torch.get_rng_state()
    outs = []
    for seed in (0, 0, 1):
        set_generator(net, seeded(seed))
        outs.append(net(x))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])
    assert not torch.equal(outs[0], net.eval()(x))


def test_dropout_of_groups_is_independent_along_every_axis():
    layer = Dropout(0.25).train()
    layer.generator = seeded()
    x = torch.ones(10, 11, 1000)
    out = layer(x)
    assert out.is_contiguous()
    assert (out == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    correlation = torch.corrcoef((out != 0).flatten(0, 1).double()) - torch.eye(110)
    assert correlation.abs().max() < 0.2


def test_dropout_keeps_the_memory_order_and_needs_none_in_particular():
    layer = Dropout(0.5).train()
    for x in (torch.ones(40, 30), torch.ones(30, 40).t(), torch.ones(3, 40, 30).mT):
        out = layer(x)
        assert out.stride() == x.stride()
        assert 0.3 < out.count_nonzero() / out.numel() < 0.7


def test_grouped_networks_pickle_and_copy(build):
    net = perturbed(build(3, 5, n_groups=2, dropout=0.3))
    set_generator(net, seeded())
    x = normal(2, 3, 7)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))


@pytest.mark.parametrize("tied", [False, True])
def test_grouped_networks_agree_in_both_precisions(build, tied):
    net = perturbed(build(3, 5, n_groups=2, tied=tied))
    x = normal(2, 3, 200)
    exact = net(x)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(net.float()(x.float()).double(), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e3, 1e6])
def test_far_inputs_of_grouped_networks_stay_finite(build, scale):
    net = perturbed(build(3, 5, n_groups=2)).float().train()
    x = (scale * normal(2, 3, 50, dtype=torch.float32)).requires_grad_()
    out = net(x)
    out.sum().backward()
    assert out.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize(
    "wrong",
    [
        {"in_features": -1},
        {"out_features": 0},
        {"n_groups": 0},
        {"hidden_units": 0},
        {"n_hidden_layers": 0},
        {"dropout": 1.0},
    ],
)
def test_grouped_networks_refuse_impossible_sizes(build, wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        build(**{"in_features": 3, "out_features": 5, **wrong})


@pytest.mark.parametrize("tied", [False, True])
def test_a_grouped_network_without_inputs_is_its_bias(build, tied):
    net = perturbed(build(0, 3, n_groups=2, tied=tied)).train()
    out = net(torch.zeros(2, 0, 4, dtype=torch.float64))
    assert out.shape == (2, 3, 4)
    assert (out == out[:, :, :1]).all()
    assert out.abs().sum() > 0
    out.sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())

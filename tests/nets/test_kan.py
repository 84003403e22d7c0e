"""Spline edges of a KAN against a reference, and their knots."""

from __future__ import annotations

import copy

import pytest
import torch
from scipy.interpolate import BSpline

from flowkit.exceptions import InvalidParameterError
from flowkit.nets import KAN
from flowkit.nets.kan import KANLayer, _cubic, _EdgeFunctions, _squash

from ..tensors import perturbed
from .examples import normal, seeded


def test_kan_refuses_splines_without_an_interval():
    with pytest.raises(InvalidParameterError, match="n_intervals"):
        KAN(3, 5, n_intervals=0)


def _edge_functions(x, knots):
    """Slow reference: silu and all bases by the textbook recursion, for autograd."""
    u = _squash(x)[:, None]
    t = knots[..., None]
    bases = ((u >= t[:, :-1]) & (u < t[:, 1:])).to(x.dtype)
    for k in (1, 2, 3):
        left = (u - t[:, : -k - 1]) / (t[:, k:-1] - t[:, : -k - 1])
        right = (t[:, k + 1 :] - u) / (t[:, k + 1 :] - t[:, 1:-k])
        bases = left * bases[:, :-1] + right * bases[:, 1:]
    return torch.cat((torch.nn.functional.silu(x)[:, None], bases), 1)


def _adapted(n_intervals: int, in_features: int = 3, n_groups: int = 2, **options) -> KANLayer:
    layer = KANLayer(in_features, 4, n_groups, n_intervals=n_intervals, generator=seeded())
    layer = layer.double().eval()
    scales = torch.arange(1, n_groups + 1)[:, None, None]
    layer.update_grid(normal(n_groups, in_features, 40) * scales)
    return layer


@pytest.mark.parametrize("n_intervals", [1, 2, 5, 20])
def test_bases_are_b_splines_that_sum_to_one(n_intervals):
    knots = _adapted(n_intervals).knots
    u = torch.linspace(-1, 1, 101, dtype=torch.float64).repeat(2, 3, 1)
    for bases, degree in zip(_cubic(u, knots), (3, 2), strict=True):
        torch.testing.assert_close(bases.sum(1), torch.ones_like(u))
        assert bases.min() > -1e-12
        for group in range(2):
            for feature in range(3):
                t = knots[group, 3 - degree : knots.shape[1] - 3 + degree, feature].numpy()
                wanted = BSpline.design_matrix(u[group, feature].numpy(), t, degree).toarray().T
                torch.testing.assert_close(bases[group, :, feature], torch.from_numpy(wanted))
    single = _cubic(u.float(), knots.float())[0]
    torch.testing.assert_close(single.double(), _cubic(u, knots)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("shared_knots", [False, True])
@pytest.mark.parametrize("n_intervals", [1, 2, 5, 20])
def test_edge_functions_and_their_gradient_are_those_of_the_reference(n_intervals, shared_knots):
    knots = _adapted(n_intervals).knots
    if shared_knots:
        knots = knots[:1]
    x = (3 * normal(2, 3, 20)).requires_grad_()
    ours, reference = _EdgeFunctions.apply(x, knots), _edge_functions(x, knots)
    torch.testing.assert_close(ours, reference)
    upstream = normal(*ours.shape, seed=3)
    ours_by_x, reference_by_x = (
        torch.autograd.grad(out, x, upstream)[0] for out in (ours, reference)
    )
    torch.testing.assert_close(ours_by_x, reference_by_x)
    assert torch.autograd.gradcheck(lambda v: _EdgeFunctions.apply(v, knots), x)


@pytest.mark.parametrize("size", [0.0, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("sign", [-1, 1])
def test_no_spline_is_dead_anywhere(size, sign):
    layer = _adapted(5).float()
    layer._weights()[0].zero_()
    x = torch.full((2, 3, 1), sign * size, requires_grad=True)
    layer(x).square().sum().backward()
    assert (x.grad != 0).all()
    splines = layer.linear.weight.grad.unflatten(2, (9, 3))[:, :, 1:]
    assert (splines != 0).any(2).all()


def test_squashed_inputs_increase_over_all_sizes():
    x = torch.logspace(-3, 3, 200)
    x = torch.cat((-x.flip(0), x))
    u = _squash(x)
    assert (u.diff() > 0).all()
    assert u.abs().max() < 1
    assert _squash(torch.tensor([-3e38, 3e38])).tolist() == [-1, 1]


DATA = {
    "normal": normal(2, 3, 500),
    "narrow": 5 + 0.01 * normal(2, 3, 500),
    "heavy": normal(2, 3, 500) ** 5,
    "two clusters": 0.2 * normal(2, 3, 500) + 2 * normal(2, 3, 500, seed=4).sign(),
    "few rows": normal(2, 3, 3),
    "one row": normal(2, 3, 1),
    "constant": torch.ones(2, 3, 500, dtype=torch.float64),
    "far": 1e6 * normal(2, 3, 500),
}


def _smooth(n_intervals: int) -> KANLayer:
    """A layer of random sine waves on the grid at the start."""
    layer = KANLayer(3, 4, 2, n_intervals=n_intervals).double().eval()
    splines = layer._weights()[1]
    wave = torch.linspace(-1.5, 1.5, splines.shape[2])[:, None] + normal(2, 4, 1, 3)
    splines.copy_(wave.sin())
    return layer


@pytest.mark.parametrize("x", DATA.values(), ids=DATA.keys())
@pytest.mark.parametrize("n_intervals", [1, 5, 20])
def test_knots_follow_the_data_and_keep_the_function(n_intervals, x):
    layer = _smooth(n_intervals)
    everywhere = torch.linspace(-6, 6, 300, dtype=torch.float64).expand(2, 3, -1)
    before, before_everywhere = layer(x), layer(everywhere)
    layer.update_grid(x)
    step = 2 / n_intervals
    assert layer.knots.diff(dim=1).min() >= 0.2 * step * (1 - 1e-6)
    torch.testing.assert_close(layer.knots[:, 3], -torch.ones(2, 3, dtype=torch.float64))
    torch.testing.assert_close(layer.knots[:, -4], torch.ones(2, 3, dtype=torch.float64))
    assert (layer(x) - before).norm() < 1e-2 * before.norm()
    after_everywhere = layer(everywhere)
    assert (after_everywhere - before_everywhere).norm() < 3e-2 * before_everywhere.norm()
    # The same data leave the knots where they are now, and the splines with them.
    layer.update_grid(x)
    torch.testing.assert_close(layer(everywhere), after_everywhere, rtol=1e-6, atol=1e-6)


def test_knots_are_denser_where_the_data_are():
    layer = KANLayer(1, 1, n_intervals=10).double()
    layer.update_grid(normal(1, 1, 1000).abs())
    interior = layer.knots[0, 4:-4, 0]
    assert (interior > 0).sum() > 6
    # With every quantile at one place, what is left is the uniform share.
    layer.update_grid(torch.zeros(1, 1, 5, dtype=torch.float64))
    torch.testing.assert_close(
        layer.knots[0, 3:-3, 0].diff()[1:-1], torch.full((8,), 0.04, dtype=torch.float64)
    )


def test_the_first_batch_in_training_moves_the_knots_and_later_ones_do_not():
    net = KAN(3, 5, n_groups=2)
    first, second = normal(2, 2, 3, 50, dtype=torch.float32)

    def knots():
        return torch.cat([layer.knots.flatten() for layer in (*net.hidden, net.last)])

    start = knots()
    net.eval()(first)
    net.train()(first[:, :, :0])
    assert torch.equal(knots(), start)
    net(first)
    moved = knots()
    assert not torch.equal(moved, start)
    net(second)
    copy.deepcopy(net)(second)
    assert torch.equal(knots(), moved)
    net.update_grid(second)
    assert not torch.equal(knots(), moved)


def test_a_network_keeps_its_output_when_its_grid_moves():
    net = perturbed(KAN(3, 5, n_groups=2, n_hidden_layers=2), scale=0.1)
    x = normal(2, 3, 300)
    before = net(x)
    net.update_grid(x)
    assert all(layer.started for layer in (*net.hidden, net.last))
    assert 0 < (net(x) - before).norm() < 5e-2 * before.norm()


def test_tied_groups_pool_their_data_for_the_knots():
    tied = KANLayer(3, 4, 2, tied=True).double()
    alone = KANLayer(3, 4, 1).double()
    x = normal(2, 3, 50) * torch.tensor([0.1, 3.0])[:, None, None]
    tied.update_grid(x)
    alone.update_grid(torch.cat((x[0], x[1]), 1)[None])
    assert torch.equal(tied.knots, alone.knots)


def test_a_kan_learns_a_smooth_function():
    net = KAN(2, 1, hidden_units=5, generator=seeded()).train()
    x = normal(1, 2, 500, dtype=torch.float32)
    y = torch.sin(2 * x[:, :1]) + x[:, 1:] ** 2
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.02 * y.var()

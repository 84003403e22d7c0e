"""Conditioner networks: masks, zero start, dropout from an explicit generator."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from scipy.interpolate import BSpline

from flowkit.exceptions import InvalidParameterError
from flowkit.nets import KAN, MADE, ConvNet, GroupedMLP, ResidualMLP, set_generator
from flowkit.nets._layers import Dropout
from flowkit.nets.kan import KANLayer, _cubic, _EdgeFunctions, _squash

from ..table import perturbed


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


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(*shape: int, dtype=torch.float64, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=_seeded(seed))


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
    out = net(_normal(4, 3, 7, dtype=torch.float32))
    assert out.shape == (4, 5, 7)
    assert torch.equal(out, torch.zeros_like(out))


def test_groups_are_networks_of_their_own(build):
    net = build(3, 5, n_groups=4, hidden_units=6, n_hidden_layers=2).double().train()
    # Groups on scales of their own get knots of their own.
    net(_normal(4, 3, 50) * torch.arange(1, 5)[:, None, None])
    net = perturbed(net)
    x = _normal(4, 3, 7, seed=2)
    out = net(x)
    assert out.abs().min() > 0
    torch.testing.assert_close(out, _outputs_of_groups_alone(net, build, x))


def test_tied_groups_share_their_weights(build):
    options = {"n_groups": 4, "hidden_units": 6, "n_hidden_layers": 2}
    tied = build(3, 5, tied=True, **options).double().train()
    tied(_normal(4, 3, 50))
    tied = perturbed(tied)
    loose = build(3, 5, **options).double().eval()
    assert sum(p.numel() for p in loose.parameters()) == 4 * sum(
        p.numel() for p in tied.parameters()
    )
    state = {k: v.expand(4, *v.shape[1:]) if v.ndim else v for k, v in tied.state_dict().items()}
    loose.load_state_dict(state)
    x = _normal(4, 3, 7, seed=2)
    torch.testing.assert_close(tied(x), loose(x))
    tied(x).square().sum().backward()
    loose(x).square().sum().backward()
    for one, four in zip(tied.parameters(), loose.parameters(), strict=True):
        torch.testing.assert_close(one.grad, four.grad.sum(0, keepdim=True))


@pytest.mark.parametrize("tied", [False, True])
def test_rows_of_grouped_networks_are_independent(build, tied):
    net = perturbed(build(3, 5, n_groups=2, tied=tied))
    x = _normal(2, 3, 7)
    torch.testing.assert_close(net(x)[:, :, 2:3], net(x[:, :, 2:3]))
    assert net(x[:, :, :0]).shape == (2, 5, 0)


@pytest.mark.parametrize("tied", [False, True])
def test_grouped_weights_come_from_their_generator(build, tied):
    state = torch.get_rng_state()
    weights = []
    for seed in (0, 0, 1):
        net = build(3, 5, n_groups=2, tied=tied, generator=_seeded(seed))
        net.train()(_normal(2, 3, 7, dtype=torch.float32))
        weights.append(torch.cat([p.flatten() for p in net.parameters()]))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_grouped_dropout_follows_its_generator(build):
    net = perturbed(build(3, 5, n_groups=4, dropout=0.3)).train()
    x = _normal(4, 3, 50)
    net(x)
    state = torch.get_rng_state()
    outs = []
    for seed in (0, 0, 1):
        set_generator(net, _seeded(seed))
        outs.append(net(x))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])
    assert not torch.equal(outs[0], net.eval()(x))


def test_dropout_of_groups_is_independent_along_every_axis():
    layer = Dropout(0.25).train()
    layer.generator = _seeded()
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
    set_generator(net, _seeded())
    x = _normal(2, 3, 7)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), net(x))


@pytest.mark.parametrize("tied", [False, True])
def test_grouped_networks_agree_in_both_precisions(build, tied):
    net = perturbed(build(3, 5, n_groups=2, tied=tied))
    x = _normal(2, 3, 200)
    exact = net(x)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(net.float()(x.float()).double(), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e3, 1e6])
def test_far_inputs_of_grouped_networks_stay_finite(build, scale):
    net = perturbed(build(3, 5, n_groups=2)).float().train()
    x = (scale * _normal(2, 3, 50, dtype=torch.float32)).requires_grad_()
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
    layer = KANLayer(in_features, 4, n_groups, n_intervals=n_intervals, generator=_seeded())
    layer = layer.double().eval()
    scales = torch.arange(1, n_groups + 1)[:, None, None]
    layer.update_grid(_normal(n_groups, in_features, 40) * scales)
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
    x = (3 * _normal(2, 3, 20)).requires_grad_()
    ours, reference = _EdgeFunctions.apply(x, knots), _edge_functions(x, knots)
    torch.testing.assert_close(ours, reference)
    upstream = _normal(*ours.shape, seed=3)
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
    "normal": _normal(2, 3, 500),
    "narrow": 5 + 0.01 * _normal(2, 3, 500),
    "heavy": _normal(2, 3, 500) ** 5,
    "two clusters": 0.2 * _normal(2, 3, 500) + 2 * _normal(2, 3, 500, seed=4).sign(),
    "few rows": _normal(2, 3, 3),
    "one row": _normal(2, 3, 1),
    "constant": torch.ones(2, 3, 500, dtype=torch.float64),
    "far": 1e6 * _normal(2, 3, 500),
}


def _smooth(n_intervals: int) -> KANLayer:
    """A layer of random sine waves on the grid at the start."""
    layer = KANLayer(3, 4, 2, n_intervals=n_intervals).double().eval()
    splines = layer._weights()[1]
    wave = torch.linspace(-1.5, 1.5, splines.shape[2])[:, None] + _normal(2, 4, 1, 3)
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
    layer.update_grid(_normal(1, 1, 1000).abs())
    interior = layer.knots[0, 4:-4, 0]
    assert (interior > 0).sum() > 6
    # With every quantile at one place, what is left is the uniform share.
    layer.update_grid(torch.zeros(1, 1, 5, dtype=torch.float64))
    torch.testing.assert_close(
        layer.knots[0, 3:-3, 0].diff()[1:-1], torch.full((8,), 0.04, dtype=torch.float64)
    )


def test_the_first_batch_in_training_moves_the_knots_and_later_ones_do_not():
    net = KAN(3, 5, n_groups=2)
    first, second = _normal(2, 2, 3, 50, dtype=torch.float32)

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
    x = _normal(2, 3, 300)
    before = net(x)
    net.update_grid(x)
    assert all(layer.started for layer in (*net.hidden, net.last))
    assert 0 < (net(x) - before).norm() < 5e-2 * before.norm()


def test_tied_groups_pool_their_data_for_the_knots():
    tied = KANLayer(3, 4, 2, tied=True).double()
    alone = KANLayer(3, 4, 1).double()
    x = _normal(2, 3, 50) * torch.tensor([0.1, 3.0])[:, None, None]
    tied.update_grid(x)
    alone.update_grid(torch.cat((x[0], x[1]), 1)[None])
    assert torch.equal(tied.knots, alone.knots)


def test_a_kan_learns_a_smooth_function():
    net = KAN(2, 1, hidden_units=5, generator=_seeded()).train()
    x = _normal(1, 2, 500, dtype=torch.float32)
    y = torch.sin(2 * x[:, :1]) + x[:, 1:] ** 2
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 0.02 * y.var()


def _conv(n_groups, tied=False, **options):
    options = {"grid": (4, 6), "hidden_units": 5, "n_hidden_layers": 3, **options}
    return ConvNet(2 * 24, 3 * 24, n_groups, tied=tied, **options)


@pytest.mark.parametrize("tied", [False, True])
def test_convolutions_start_at_zero_and_treat_rows_alone(tied):
    net = _conv(4, tied).train()
    out = net(_normal(4, 48, 7, dtype=torch.float32))
    assert torch.equal(out, torch.zeros(4, 72, 7))
    net = perturbed(net)
    x = _normal(4, 48, 7)
    torch.testing.assert_close(net(x)[:, :, 2:3], net(x[:, :, 2:3]))
    assert net(x[:, :, :0]).shape == (4, 72, 0)


@pytest.mark.parametrize("tied", [False, True])
def test_groups_of_convolutions_are_networks_of_their_own(tied):
    net = perturbed(_conv(4, tied))
    x = _normal(4, 48, 7)
    out = net(x)
    for group in range(4):
        alone = _conv(1).double().eval()
        state = {}
        for name, value in net.state_dict().items():
            size = alone.state_dict()[name].shape[0]
            shared = tied and name != "bias"
            state[name] = value if shared else value[group * size : (group + 1) * size]
        alone.load_state_dict(state)
        torch.testing.assert_close(out[group : group + 1], alone(x[group : group + 1]))


def test_convolutions_see_their_neighbourhood_in_the_order_channel_row_column():
    net = perturbed(ConvNet(2 * 63, 3 * 63, grid=(7, 9), hidden_units=5, n_hidden_layers=1))
    x = _normal(1, 126, 1)
    shifted = x.clone()
    shifted[0, 63 + 3 * 9 + 4] += 1.0
    change = (net(shifted) - net(x)).view(3, 7, 9).abs().sum(0) > 0
    # Two layers of width three reach two pixels.
    expected = torch.zeros(7, 9, dtype=torch.bool)
    expected[1:6, 2:7] = True
    assert torch.equal(change, expected)


def test_convolutions_drop_units_by_their_generator():
    net = _conv(2, dropout=0.5, generator=_seeded()).train()
    with torch.no_grad():
        net.last.weight.fill_(1.0)
    outs = []
    for seed in (0, 0, 1):
        set_generator(net, _seeded(seed))
        outs.append(net(_normal(2, 48, 5, dtype=torch.float32)))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])

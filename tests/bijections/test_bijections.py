"""Properties that every bijection has, and the few that are one family's own."""

from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch

from flowkit import bijections as b
from flowkit.exceptions import InvalidParameterError, MixedColumnsError, ShapeError

from ..table import BIJECTIONS, NET
from ..tensors import context_for, perturbed, rows_in

WIDTHS = (1, 2, 5)
every_bijection = pytest.mark.parametrize("case", BIJECTIONS, ids=str)
elementwise = [case for case in BIJECTIONS if case.build(2).is_elementwise]
every_elementwise = pytest.mark.parametrize("case", elementwise, ids=str)
every_width = pytest.mark.parametrize("d", WIDTHS)


@every_bijection
@every_width
def test_log_det_is_that_of_the_autograd_jacobian(case, d):
    bijection = perturbed(case.build(d))
    x = rows_in(case.domain, 6, d)
    context = context_for(case.n_context, 6)
    _, log_det = bijection(x, context)
    for i in range(len(x)):
        row_context = None if context is None else context[i : i + 1]

        def mapped(row, row_context=row_context):
            return bijection(row[None], row_context)[0][0]

        jacobian = torch.autograd.functional.jacobian(mapped, x[i])
        assert log_det[i].item() == pytest.approx(jacobian.slogdet()[1].item(), abs=1e-9)


@every_bijection
@every_width
def test_inverse_undoes_forward_and_negates_the_log_det(case, d):
    bijection = perturbed(case.build(d), 0.1)
    x = rows_in(case.domain, 200, d)
    context = context_for(case.n_context, 200)
    z, log_det = bijection(x, context)
    back, back_log_det = bijection.inverse(z, context)
    torch.testing.assert_close(back, x, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(back_log_det, -log_det, rtol=1e-7, atol=1e-7)


@every_elementwise
@every_width
def test_slopes_by_column_are_the_diagonal_of_the_autograd_jacobian(case, d):
    bijection = perturbed(case.build(d))
    x = rows_in(case.domain, 6, d)
    context = context_for(case.n_context, 6)
    z, log_slope = bijection.forward_by_column(x, context)
    back, back_log_slope = bijection.inverse_by_column(z, context)
    torch.testing.assert_close(back, x, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(back_log_slope, -log_slope, rtol=1e-7, atol=1e-7)
    assert torch.equal(z, bijection(x, context)[0])
    torch.testing.assert_close(log_slope.sum(1), bijection(x, context)[1])
    jacobian = torch.autograd.functional.jacobian(lambda x: bijection(x, context)[0].sum(0), x)
    jacobian = jacobian.transpose(0, 1)
    slope = jacobian.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(log_slope, slope.abs().log(), rtol=0, atol=1e-9)
    assert torch.equal(jacobian, torch.diag_embed(slope))


def test_every_public_elementwise_class_is_in_the_table():
    public = {getattr(b, name) for name in b.__all__}
    own = {cls for cls in public if issubclass(cls, b.Elementwise)} - {b.Elementwise}
    assert own >= {cls for cls in public if cls.__module__ == b.ActNorm.__module__}
    assert own <= {type(case.build(2)) for case in elementwise}


@every_bijection
def test_what_mixes_columns_refuses_slopes_by_column(case):
    bijection = case.build(3)
    columns = torch.autograd.functional.jacobian(
        lambda row: perturbed(bijection)(row[None], context_for(case.n_context, 1))[0][0],
        rows_in(case.domain, 1, 3)[0],
    )
    assert bijection.is_elementwise == torch.equal(columns, torch.diag(columns.diagonal()))
    for direction in (bijection.forward_by_column, bijection.inverse_by_column):
        with pytest.raises(ShapeError, match=r"\(n, 3\), got \(5, 4\)"):
            direction(torch.zeros(5, 4), context_for(case.n_context, 5))
        if not bijection.is_elementwise:
            with pytest.raises(MixedColumnsError, match="mixes columns"):
                direction(torch.zeros(5, 3), context_for(case.n_context, 5))


def test_inverses_and_compositions_of_elementwise_maps_are_elementwise():
    affine = b.ElementwiseAffine(2)
    nested = b.Compose([b.Inverse(b.Compose([affine, b.Tanh(2)])), b.Exp(2)])
    assert nested.is_elementwise
    x = torch.tensor([[0.1, -0.4]])
    z, log_slope = nested.forward_by_column(x)
    torch.testing.assert_close(log_slope, x.atanh() - torch.log1p(-x.square()))
    torch.testing.assert_close(nested.inverse_by_column(z)[1], -log_slope)
    for mixing in (b.Inverse(b.LULinear(2)), b.Compose([affine, b.Permutation(2)])):
        assert not mixing.is_elementwise


def test_a_child_with_a_map_of_its_own_does_not_inherit_slopes():
    class Twice(b.Exp):
        def _forward(self, x, context):
            return 2 * x.exp(), (x + math.log(2.0)).sum(1)

    assert not Twice(2).is_elementwise


@every_bijection
def test_inverse_undoes_forward_far_off_the_data(case):
    bijection = perturbed(case.build(4), 0.1)
    x = rows_in("real", 100, 4).clamp(-2, 2) / 2 * case.far
    if case.domain == "positive":
        x = torch.exp(x / 5)
    if case.domain == "unit":
        x = torch.sigmoid(x / 5)
    context = context_for(case.n_context, 100)
    z, log_det = bijection(x, context)
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_det).all()
    back, _ = bijection.inverse(z, context)
    torch.testing.assert_close(back, x, rtol=1e-6, atol=1e-6)
    # Where the map is too flat for its input to be kept to many digits, its output still is.
    torch.testing.assert_close(bijection(back, context)[0], z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", [c for c in BIJECTIONS if c.starts_at_identity], ids=str)
@every_width
def test_starts_at_the_identity(case, d):
    bijection = case.build(d).double().eval()
    x = rows_in("real", 50, d, scale=3.0)
    z, log_det = bijection(x, context_for(case.n_context, 50))
    torch.testing.assert_close(z, x, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(log_det, torch.zeros_like(log_det), rtol=0, atol=1e-5)


@every_bijection
def test_gradients_reach_every_parameter_and_are_finite(case):
    bijection = perturbed(case.build(4))
    x = rows_in(case.domain, 64, 4, scale=4.0).requires_grad_()
    z, log_det = bijection(x, context_for(case.n_context, 64))
    (z.square().sum() - log_det.sum()).backward()
    assert torch.isfinite(x.grad).all()
    for name, parameter in bijection.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@every_bijection
def test_float32_stays_close_to_float64(case):
    exact = perturbed(case.build(4), 0.05)
    single = copy.deepcopy(exact).float()
    x = rows_in(case.domain, 100, 4)
    context = context_for(case.n_context, 100)
    z, log_det = exact(x, context)
    z32, log_det32 = single(x.float(), None if context is None else context.float())
    assert z32.dtype == torch.float32
    torch.testing.assert_close(z32.double(), z, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(log_det32.double(), log_det, rtol=1e-3, atol=1e-3)


@every_bijection
def test_survives_pickle_copy_and_state_dict(case):
    bijection = perturbed(case.build(3))
    x = rows_in(case.domain, 10, 3)
    context = context_for(case.n_context, 10)
    expected = bijection(x, context)[0]
    rebuilt = case.build(3).double().eval()
    rebuilt.load_state_dict(bijection.state_dict())
    for other in (pickle.loads(pickle.dumps(bijection)), copy.deepcopy(bijection), rebuilt):
        assert torch.equal(other(x, context)[0], expected)


@every_bijection
def test_wrong_shapes_are_refused(case):
    bijection = case.build(3)
    context = context_for(case.n_context, 5)
    for direction in (bijection, bijection.inverse):
        with pytest.raises(ShapeError, match=r"\(n, 3\), got \(5, 4\)"):
            direction(torch.zeros(5, 4), context)
        with pytest.raises(ShapeError, match=r"\(n, 3\), got \(3,\)"):
            direction(torch.zeros(3), context)
    if case.n_context:
        with pytest.raises(ShapeError, match=r"context of shape \(5, 3\), got None"):
            bijection(torch.zeros(5, 3))
        with pytest.raises(ShapeError, match=r"context of shape \(5, 3\), got \(5, 2\)"):
            bijection(torch.zeros(5, 3), torch.zeros(5, 2))


@pytest.mark.parametrize("case", [c for c in BIJECTIONS if c.n_context], ids=str)
def test_context_steers_the_map(case):
    bijection = perturbed(case.build(3))
    x = rows_in(case.domain, 10, 3)
    z, _ = bijection(x, context_for(3, 10, seed=2))
    other, _ = bijection(x, context_for(3, 10, seed=3))
    assert (z - other).abs().max() > 1e-3


@pytest.mark.parametrize("cls", [b.AffineAutoregressive, b.SplineAutoregressive])
def test_autoregressive_jacobian_is_triangular(cls):
    bijection = perturbed(cls(5, **NET))
    x = rows_in("real", 1, 5)[0]
    jacobian = torch.autograd.functional.jacobian(lambda row: bijection(row[None])[0][0], x)
    assert torch.equal(jacobian.triu(1), torch.zeros_like(jacobian))
    assert (jacobian.tril(-1) != 0).any()


@pytest.mark.parametrize("reverse", [False, True])
def test_coupling_keeps_one_half(reverse):
    bijection = perturbed(b.SplineCoupling(5, reverse=reverse, **NET))
    x = rows_in("real", 20, 5)
    z, _ = bijection(x)
    kept = slice(3, 5) if reverse else slice(0, 2)
    moved = slice(0, 3) if reverse else slice(2, 5)
    assert torch.equal(z[:, kept], x[:, kept])
    assert ((z[:, moved] - x[:, moved]).abs().max(0).values > 1e-3).all()


def test_actnorm_starts_from_the_first_training_batch_and_only_once():
    norm = b.ActNorm(3).double()
    x = rows_in("real", 500, 3) * torch.tensor([1.0, 10.0, 0.1]) + 5
    norm.train()
    z, _ = norm(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(3).double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3).double())
    again, _ = norm(x + 100)
    assert again.mean() > 10
    reloaded = b.ActNorm(3).double()
    reloaded.load_state_dict(norm.state_dict())
    reloaded.train()
    assert torch.equal(reloaded(x + 100)[0], again)


def test_actnorm_does_not_start_when_it_only_evaluates():
    norm = b.ActNorm(2).eval()
    x = torch.full((4, 2), 7.0)
    assert torch.equal(norm(x)[0], x)
    assert not norm.started


def test_actnorm_survives_a_constant_column():
    norm = b.ActNorm(2).train()
    z, log_det = norm(torch.tensor([[1.0, 2.0], [1.0, 3.0]]))
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_det).all()


@pytest.mark.parametrize(
    ("bijection", "outside"),
    [(b.Log(2), -1.0), (b.Log(2), 0.0), (b.Logit(2), 1.0), (b.Logit(2), 1.5)],
)
def test_outside_the_domain_the_log_det_is_minus_infinity(bijection, outside):
    x = torch.tensor([[0.5, outside], [0.5, 0.5]], requires_grad=True)
    z, log_det = bijection(x)
    assert bijection.forward_by_column(x)[1].isinf().tolist() == [[False, True], [False, False]]
    assert log_det[0] == -math.inf
    assert torch.isfinite(log_det[1])
    assert torch.isfinite(z).all()
    log_det[1].backward()
    assert torch.isfinite(x.grad).all()


def test_affine_scale_is_bounded_whatever_the_network_says():
    coupling = b.AffineCoupling(2, max_log_scale=2.0, **NET).double()
    with torch.no_grad():
        coupling.net.last.bias.fill_(1e6)
    _, log_det = coupling(torch.zeros(1, 2).double())
    assert log_det.item() == pytest.approx(2.0)


def test_random_permutation_follows_its_generator():
    orders = [
        b.Permutation(20, "random", torch.Generator().manual_seed(seed)).order.tolist()
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(20))


def test_compose_and_constructors_refuse_what_cannot_work():
    with pytest.raises(InvalidParameterError, match="at least one"):
        b.Compose([])
    with pytest.raises(InvalidParameterError, match=r"one number of features, got \[2, 3\]"):
        b.Compose([b.Exp(2), b.Exp(3)])
    with pytest.raises(InvalidParameterError, match=r"one context size, got \[1, 2\]"):
        b.Compose([b.ElementwiseAffine(2, 1), b.ElementwiseAffine(2, 2)])
    with pytest.raises(InvalidParameterError, match="n_features"):
        b.Exp(0)
    with pytest.raises(InvalidParameterError, match="n_bins"):
        b.SplineCoupling(2, n_bins=1)
    with pytest.raises(InvalidParameterError, match="tail_bound"):
        b.SplineCoupling(2, tail_bound=0.0)
    with pytest.raises(InvalidParameterError, match="kind"):
        b.Permutation(2, "sideways")
    with pytest.raises(InvalidParameterError, match="max_log_scale"):
        b.AffineCoupling(2, max_log_scale=0.0)
    with pytest.raises(InvalidParameterError, match="hidden_units"):
        b.AffineCoupling(2, hidden_units=0)
    with pytest.raises(InvalidParameterError, match="n_hidden_layers"):
        b.AffineCoupling(2, n_hidden_layers=0)
    with pytest.raises(InvalidParameterError, match="dropout"):
        b.AffineCoupling(2, dropout=1.0)
    with pytest.raises(InvalidParameterError, match="n_columns"):
        b.Sylvester(2, n_columns=0)


def test_building_from_a_generator_leaves_the_global_one_alone():
    state = torch.get_rng_state()
    first, second = (
        b.SplineCoupling(4, generator=torch.Generator().manual_seed(3), **NET) for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.net.first.weight, second.net.first.weight)


def test_linear_maps_of_many_columns_keep_the_contract():
    """Beyond some width the factors are applied one after the other."""
    linear = perturbed(b.LULinear(260), 0.02)
    x = rows_in("real", 5, 260)
    z, log_det = linear(x)
    lower, upper, expected = linear._factors()
    torch.testing.assert_close(z, x @ (lower @ upper).t() + linear.bias)
    back, back_log_det = linear.inverse(z)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(back_log_det, -log_det)
    assert log_det[0].item() == pytest.approx(expected.item())


both_planar = pytest.mark.parametrize("cls", [b.Planar, b.Sylvester])


@pytest.mark.parametrize("raw_slopes", [(0.5, 0.7), (-3.0, 2.0)])
def test_sylvester_of_one_column_is_a_planar_flow(raw_slopes):
    sylvester = perturbed(b.Sylvester(4, n_columns=1))
    planar = b.Planar(4).double()
    with torch.no_grad():
        sylvester.raw[:2, 0] = torch.tensor(raw_slopes)
        _, r2, bias, gain = (part.squeeze() for part in sylvester._parts(None))
        q = sylvester._orthonormal()[:, 0]
        # Undo the constraint on u, then the bounds of both norms.
        unconstrained = gain if gain > 0 else 0.99 * torch.log1p(gain / 0.99)
        for k, length in enumerate((r2, unconstrained / r2)):
            planar.raw[4 * k : 4 * k + 4] = q * length / torch.sqrt(1 - (length / 10) ** 2)
        planar.raw[-1] = bias
    x = rows_in("real", 50, 4)
    for result, expected in zip(planar(x), sylvester(x), strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-9)


@both_planar
@pytest.mark.parametrize("scale", [3.0, 1e3, 1e6])
def test_planar_maps_of_extreme_parameters_stay_invertible(cls, scale):
    for seed in range(5):
        bijection = perturbed(cls(9, 3, **NET), scale, seed)
        context = context_for(3, 300, seed)
        x = rows_in("real", 300, 9, scale=30.0, seed=seed)
        z, log_det = bijection(x, context)
        assert log_det.min() > 8.001 * math.log(0.01)
        back, back_log_det = bijection.inverse(z, context)
        torch.testing.assert_close(back, x, rtol=0, atol=1e-7)
        torch.testing.assert_close(back_log_det, -log_det, rtol=0, atol=1e-6)


@both_planar
def test_planar_inverse_has_the_gradients_of_an_inverse(cls):
    bijection = perturbed(cls(3))
    x = rows_in("real", 1, 3)[0]
    z = bijection(x[None])[0][0].detach()
    there = torch.autograd.functional.jacobian(lambda row: bijection(row[None])[0][0], x)
    back = torch.autograd.functional.jacobian(lambda row: bijection.inverse(row[None])[0][0], z)
    torch.testing.assert_close(there @ back, torch.eye(3).double(), rtol=0, atol=1e-10)
    # The round trip does not depend on the parameters, so no gradient may be left.
    bijection.inverse(bijection(x[None])[0])[0].square().sum().backward()
    for name, parameter in bijection.named_parameters():
        assert parameter.grad.abs().max() < 1e-10, name


@both_planar
def test_planar_maps_leave_the_identity_and_follow_their_generator(cls):
    first, second = (cls(4, 2, generator=torch.Generator().manual_seed(3), **NET) for _ in range(2))
    x, context = rows_in("real", 20, 4).float(), torch.ones(20, 2)
    for bijection in (first, second):
        (bijection(x, context)[0] - x.flip(1)).square().mean().backward()
        for parameter in (bijection.raw, bijection.net.last.weight):
            assert parameter.grad.abs().max() > 1e-3
        torch.optim.SGD(bijection.parameters(), 0.1).step()
    assert (first(x, context)[0] - x).abs().max() > 1e-3
    assert torch.equal(first(x, context)[0], second(x, context)[0])


def test_sylvester_columns_are_orthonormal_whatever_the_parameters():
    for scale in (0.0, 1.0, 1e6):
        for seed in range(5):
            q = perturbed(b.Sylvester(12), scale, seed)._orthonormal()
            torch.testing.assert_close(q.t() @ q, torch.eye(8).double(), rtol=0, atol=1e-12)

"""Lifting: what is predicted from what, phase by phase and channel by channel."""

from __future__ import annotations

import math

import pytest
import torch

from flowkit.bijections import Lifting, _logistic_mixture
from flowkit.bijections._logistic_mixture import mixture_forward, mixture_inverse
from flowkit.exceptions import InvalidParameterError

from ..tensors import perturbed, rows_in

SHAPES = [(1, 1), (2, 2), (3, 5), (1, 6), (7, 1), (4, 4, 3), (5, 3, 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES)


def lifting_of(shape, **options):
    lifting = Lifting(math.prod(shape), shape, hidden_units=6, **options)
    generator = torch.Generator().manual_seed(0)
    for phase in lifting.phases:
        phase.weight.copy_(0.2 * torch.randn(phase.weight.shape, generator=generator) * phase.mask)
    return perturbed(lifting, 0.1)


@every_shape
def test_every_column_is_mapped_in_one_phase(shape):
    nodes = Lifting(math.prod(shape), shape).nodes
    assert sorted(j for node in nodes for j in node.columns) == list(range(math.prod(shape)))
    assert {node.kind for node in nodes} <= {"root", "diagonal", "horizontal", "vertical"}
    levels = [node.level for node in nodes]
    assert levels == sorted(levels)
    assert levels[-1] == max(shape[:2]).bit_length() - (max(shape[:2]).bit_count() == 1)


@every_shape
def test_images_of_any_size_come_back(shape):
    lifting = lifting_of(shape, n_boxes=1)
    x = rows_in("real", 70, math.prod(shape), scale=0.5)
    with torch.no_grad():
        z, log_det = lifting(x)
        back, back_log_det = lifting.inverse(z)
    torch.testing.assert_close(back, x, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(back_log_det, -log_det, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 5), (4, 4, 3)])
def test_columns_depend_on_coarser_phases_and_earlier_channels_alone(shape):
    lifting = lifting_of(shape)
    x = rows_in("real", 1, math.prod(shape))[0]
    jacobian = torch.autograd.functional.jacobian(lambda row: lifting(row[None])[0][0], x)
    # The order in which values are drawn: phases from the last one, and their channels in order.
    order = [
        column
        for phase in reversed(lifting.phases)
        for channel in phase.columns.tolist()
        for column in channel
    ]
    ordered = jacobian[order][:, order]
    assert (ordered.triu(1) == 0).all()
    first = 0
    for phase in reversed(lifting.phases):
        for channel in phase.columns:
            # Pixels of a phase are mapped side by side.
            block = ordered[first : first + len(channel), first : first + len(channel)]
            assert torch.equal(block, block.diagonal().diag())
            first += len(channel)
    assert (ordered.tril(-1) != 0).any()


@pytest.mark.parametrize("shape", [None, (3, 5), (4, 4, 3)])
def test_shares_of_levels_and_columns_are_those_of_the_jacobian(shape):
    lifting = lifting_of(shape) if shape else perturbed(Lifting(6, hidden_units=6), 0.1)
    d = lifting.n_features
    x = rows_in("real", 2, d, scale=0.5)
    z, shares = lifting.log_det_map(x)
    torch.testing.assert_close(z, lifting(x)[0])
    assert shares.shape == (2, lifting.n_levels, d)
    assert math.prod(lifting.grid) * lifting.n_channels == d
    for row, share in zip(x, shares, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda r: lifting(r[None])[0][0], row)
        torch.testing.assert_close(share.sum(0), jacobian.diagonal().log())
    for level in range(lifting.n_levels):
        assert (shares[:, level, lifting.levels != level] == 0).all()


@pytest.mark.parametrize("n_components", [0, 2])
def test_derivatives_along_latents_are_those_of_the_inverse(n_components):
    lifting = lifting_of((3, 3, 2), n_components=n_components, n_boxes=min(1, n_components))
    x = rows_in("real", 1, 18, scale=0.5)
    z = lifting(x)[0].detach()
    jacobian = torch.autograd.functional.jacobian(lambda r: lifting(r[None])[0][0], x[0])

    def derivative(direction):
        return torch.func.jvp(lambda z: lifting.inverse(z)[0], (z,), (direction[None],))[1][0]

    with torch.no_grad():
        found = torch.func.vmap(derivative, chunk_size=7)(torch.eye(18, dtype=x.dtype))
    torch.testing.assert_close(found.t(), torch.linalg.inv(jacobian), rtol=1e-6, atol=1e-6)


def test_green_comes_before_red_and_blue():
    root = Lifting(3, (1, 1, 3)).phases[-1]
    assert root.columns[:, 0].tolist() == [1, 0, 2]


def test_edges_are_mirrored():
    vertical, horizontal, diagonal, _ = Lifting(4, (2, 2)).phases
    assert set(diagonal.index.unique().tolist()) == {0}
    assert set(horizontal.index.unique().tolist()) == {0, 3}
    assert set(vertical.index.unique().tolist()) == {0, 1, 3}


def test_neighbours_of_constant_images_have_no_activity():
    phase = Lifting(16, (4, 4)).phases[0]
    windows = phase.windows(torch.full((16, 2), 0.7))
    means, log_deviations = phase.surroundings(windows)
    torch.testing.assert_close(means, torch.full_like(means, 0.7))
    torch.testing.assert_close(log_deviations, phase.floor.log().expand_as(log_deviations))


def mixture(n):
    weights = torch.tensor([0.2, 0.5, 0.3]).double().log()[:, None].expand(-1, n)
    location = torch.tensor([-1.0, 0.5]).double()[:, None].expand(-1, n)
    log_scale = torch.tensor([-1.0, 0.0]).double()[:, None].expand(-1, n)
    return weights, location, log_scale, torch.tensor([0.3]).double(), 0.25


def test_mixtures_become_standard_normal():
    x = torch.linspace(-60, 60, 400_001, dtype=torch.float64)
    z, log_slope = mixture_forward(x, *mixture(len(x)))
    assert (z.diff() > 0).all()
    # The slope times the normal density is that of the mixture; its box ends between two steps.
    density = (log_slope - 0.5 * z.square()).exp() / math.sqrt(2 * math.pi)
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=5e-4)
    inside = (x - 0.3).abs() < 0.124
    rise = (z[inside][-1] - z[inside][0]).item()
    steps = log_slope[inside].exp().mean().item() * (x[inside][-1] - x[inside][0]).item()
    assert rise == pytest.approx(steps, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_far_values_keep_finite_latents_that_come_back(dtype):
    x = torch.tensor([-1e4, -300.0, 300.0, 1e4], dtype=dtype)
    given = [part.to(dtype) if isinstance(part, torch.Tensor) else part for part in mixture(4)]
    z, log_slope = mixture_forward(x, *given)
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_slope).all()
    back, _ = mixture_inverse(z, *given)
    torch.testing.assert_close(back, x, rtol=1e-4, atol=0)


def test_an_inverse_takes_few_steps_and_is_none_of_what_overflows(monkeypatch):
    steps, logit = [], _logistic_mixture._logit
    monkeypatch.setattr(
        _logistic_mixture, "_logit", lambda *given: steps.append(1) or logit(*given)
    )
    z = torch.linspace(-6, 6, 999, dtype=torch.float64)
    z[7] = torch.nan
    weights, location, log_scale, *boxes = mixture(len(z))
    location = location.clone()
    location[:, 9] = torch.nan
    back, _ = mixture_inverse(z, weights, location, log_scale, *boxes)
    assert len(steps) < 30
    assert back.isnan().nonzero()[:, 0].tolist() == [7, 9]


def test_inverse_of_a_mixture_has_the_gradients_of_an_inverse():
    z = torch.linspace(-2, 2, 9, dtype=torch.float64, requires_grad=True)
    x, log_slope = mixture_inverse(z, *mixture(9))
    (slope,) = torch.autograd.grad(x.sum(), z)
    torch.testing.assert_close(slope, log_slope.exp())


def test_what_cannot_work_is_refused():
    with pytest.raises(InvalidParameterError, match=r"\(2, 2\) has 4 values, but rows have 5"):
        Lifting(5, (2, 2))
    with pytest.raises(InvalidParameterError, match="n_components must be at least 0, got -1"):
        Lifting(4, (2, 2), n_components=-1)
    with pytest.raises(InvalidParameterError, match="n_boxes needs n_components"):
        Lifting(4, (2, 2), n_components=0, n_boxes=1)
    with pytest.raises(InvalidParameterError, match="hidden_units"):
        Lifting(4, (2, 2), hidden_units=0)

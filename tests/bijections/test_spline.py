"""The rational-quadratic kernel against a slow reference, and where it could break."""

from __future__ import annotations

import math

import pytest
import torch

from flowkit import _compiled
from flowkit.bijections._univariate import RationalQuadraticSpline

MIN_BIN = MIN_SLOPE = 1e-3


def reference(x: float, raw: list[float], n_bins: int, bound: float) -> tuple[float, float]:
    """Value and log-slope of one spline at one point, straight from the paper's formulas."""
    if abs(x) > bound:
        return x, 0.0

    def knots(unnormalised):
        weights = [math.exp(u) for u in unnormalised]
        shares = [MIN_BIN + (1 - n_bins * MIN_BIN) * w / sum(weights) for w in weights]
        return [-bound + 2 * bound * sum(shares[:k]) for k in range(n_bins + 1)]

    xs, ys = knots(raw[:n_bins]), knots(raw[n_bins : 2 * n_bins])
    shift = math.log(math.exp(1 - MIN_SLOPE) - 1)
    inner = [MIN_SLOPE + math.log1p(math.exp(u + shift)) for u in raw[2 * n_bins :]]
    slopes = [1.0, *inner, 1.0]
    k = max(i for i in range(n_bins) if i == 0 or x >= xs[i])
    width, height = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
    s = height / width
    t = (x - xs[k]) / width
    below = s + (slopes[k + 1] + slopes[k] - 2 * s) * t * (1 - t)
    y = ys[k] + height * (s * t * t + slopes[k] * t * (1 - t)) / below
    above = s * s * (slopes[k + 1] * t * t + 2 * s * t * (1 - t) + slopes[k] * (1 - t) ** 2)
    return y, math.log(above / below**2)


def random_problem(n_bins, d=3, n=50, scale=1.0, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    parameters = torch.randn(3 * n_bins - 1, d, n, dtype=dtype, generator=generator) * scale
    return 2 * torch.randn(d, n, dtype=dtype, generator=generator), parameters


@pytest.mark.parametrize("n_bins", [2, 3, 8])
@pytest.mark.parametrize("bound", [1.0, 3.0])
def test_agrees_with_a_slow_reference(n_bins, bound):
    x, parameters = random_problem(n_bins)
    y, log_slope = RationalQuadraticSpline(n_bins, bound).forward(x, parameters)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            raw = parameters[:, i, j].tolist()
            expected = reference(x[i, j].item(), raw, n_bins, bound)
            assert (y[i, j].item(), log_slope[i, j].item()) == pytest.approx(expected, abs=1e-10)


def test_is_increasing_and_continuous_across_bins_and_tails():
    _, parameters = random_problem(8, d=1, n=1, scale=2.0)
    x = torch.linspace(-4, 4, 20001, dtype=torch.float64)[None]
    y, log_slope = RationalQuadraticSpline(8, 3.0).forward(x, parameters.expand(-1, 1, 20001))
    steps = y.diff()
    assert (steps > 0).all()
    # A jump would show as a step far above what the slopes allow.
    assert (steps <= 1.1 * torch.maximum(log_slope[:, 1:], log_slope[:, :-1]).exp() * 4e-4).all()


@pytest.mark.parametrize("scale", [1.0, 5.0, 20.0])
def test_inverse_has_no_nan_however_steep_the_bins(scale):
    y, parameters = random_problem(8, n=2000, scale=scale, dtype=torch.float32)
    spline = RationalQuadraticSpline(8, 3.0)
    knots = spline.inverse(y, parameters)
    assert all(torch.isfinite(part).all() for part in knots)


def test_inverse_at_the_knots_themselves():
    _, parameters = random_problem(4, d=1, n=5, scale=3.0, dtype=torch.float32)
    parameters = parameters[:, :, :1].expand(-1, 1, 5)
    spline = RationalQuadraticSpline(4, 3.0)
    edges = torch.tensor([[-3.0, 3.0, 0.0, -3.0000002, 3.0000002]])
    x, log_slope = spline.inverse(edges, parameters)
    assert torch.isfinite(x).all()
    assert torch.isfinite(log_slope).all()
    torch.testing.assert_close(spline.forward(x, parameters)[0], edges, rtol=1e-4, atol=1e-4)


def test_gradients_outside_the_box_are_those_of_the_identity():
    _, parameters = random_problem(8, d=1, n=3)
    x = torch.tensor([[-1e6, 3.5, 1e30]], dtype=torch.float64, requires_grad=True)
    parameters.requires_grad_()
    y, log_slope = RationalQuadraticSpline(8, 3.0).forward(x, parameters)
    (y.sum() + log_slope.sum()).backward()
    assert torch.equal(x.grad, torch.ones_like(x))
    assert torch.equal(parameters.grad, torch.zeros_like(parameters))


def test_kernel_passes_gradcheck_both_ways():
    x, parameters = random_problem(4, d=2, n=4)
    spline = RationalQuadraticSpline(4, 3.0)
    for direction in (spline.forward, spline.inverse):
        assert torch.autograd.gradcheck(
            direction, (x.clone().requires_grad_(), parameters.clone().requires_grad_())
        )


def test_compiled_kernel_gives_the_same_values_and_gradients(monkeypatch):
    # As on a GPU, where numba's kernels cannot run.
    monkeypatch.setattr(_compiled, "_is_installed", lambda: False)
    plain, compiled = (RationalQuadraticSpline(8, 3.0, compile=c) for c in (False, True))
    x, parameters = random_problem(8, d=3, n=64, dtype=torch.float32)
    for name in ("forward", "inverse"):
        results = []
        for spline in (plain, compiled):
            raw = parameters.clone().requires_grad_()
            value = x.clone().requires_grad_()
            out, log_slope = getattr(spline, name)(value, raw)
            (out.sum() - 2 * log_slope.sum()).backward()
            results.append((out.detach(), log_slope.detach(), value.grad, raw.grad))
        for eager, fused in zip(*results, strict=True):
            torch.testing.assert_close(fused, eager, rtol=1e-3, atol=1e-4)

"""Compiled kernels give the numbers that tensor operations give, in values and gradients."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from flowkit import FlowDensity, FractalFlowDensity, _compiled
from flowkit.bijections import (
    Compose,
    ElementwiseSpline,
    FractalCoupling,
    LULinear,
    SplineCoupling,
)
from flowkit.bijections._rational_quadratic import rational_quadratic
from flowkit.exceptions import SecondDerivativeError
from flowkit.modules import Flow
from flowkit.nets import GroupedMLP, ResidualMLP, set_generator
from flowkit.priors import Normal

from .tensors import perturbed


@pytest.fixture
def plain(monkeypatch):
    """Call a function by tensor operations alone."""

    def call(function, *args):
        with monkeypatch.context() as patch:
            patch.setattr(_compiled, "_is_installed", lambda: False)
            return function(*args)

    return call


def _values_and_gradients(function, *tensors):
    tensors = [tensor.clone().requires_grad_() for tensor in tensors]
    results = function(*tensors)
    # Weights that tell rows and columns apart.
    total = sum((r * torch.linspace(0.5, 1.5, r.numel()).view(r.shape)).sum() for r in results)
    return [*(r.detach() for r in results), *torch.autograd.grad(total, tensors)]


def _assert_close(found, wanted, tolerance):
    for a, b in zip(found, wanted, strict=True):
        scale = max([1.0, *b.abs().flatten().tolist()])
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * scale)


def test_elementary_functions_are_right_to_the_last_places():
    import numba

    from flowkit.bijections._elementary import exp, log

    @numba.njit(error_model="numpy")
    def both(x):
        return [exp(v) for v in x], [log(exp(v)) for v in x]

    x = np.random.default_rng(0).uniform(-80, 80, 2000)
    exponential, back = map(np.array, both(x))
    eps = np.finfo(np.float64).eps
    assert np.abs(exponential / np.exp(x.astype(np.longdouble)) - 1).max() < 2 * eps
    # The exponential is rounded before its logarithm is taken.
    assert np.abs(back - x).max() < 2 * eps * np.abs(x).max()


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("n_bins", [2, 8])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("n", [1, 64, 100])
def test_splines(plain, inverse, n_bins, shared, n):
    generator = torch.Generator().manual_seed(n)
    value = 3 * torch.randn(2, n, generator=generator, dtype=torch.float64)
    value[0, 0] = 50.0
    size = 1 if shared else n
    raw = torch.randn(3 * n_bins - 1, 2, size, generator=generator, dtype=torch.float64)

    def spline(value, raw):
        return rational_quadratic(value, raw, 4.0, inverse, False)

    found = _values_and_gradients(spline, value, raw)
    wanted = plain(_values_and_gradients, spline, value, raw)
    _assert_close(found, wanted, 1e-11)


def test_steep_splines_lose_no_digits_in_single_precision():
    generator = torch.Generator().manual_seed(0)
    value = 8 * torch.rand(2, 200, generator=generator) - 4
    # Bins whose widths differ by thousands.
    raw = 6 * torch.randn(23, 2, 1, generator=generator)
    found = rational_quadratic(value, raw, 4.0, False, False)
    exact = rational_quadratic(value.double(), raw.double(), 4.0, False, False)
    for a, b in zip(found, exact, strict=True):
        torch.testing.assert_close(a, b.float(), rtol=2e-7, atol=1e-7)


def test_a_row_gives_the_same_whatever_rows_are_beside_it():
    generator = torch.Generator().manual_seed(0)
    value = 2 * torch.randn(3, 150, generator=generator)
    raw = torch.randn(23, 3, 150, generator=generator)
    together = rational_quadratic(value, raw, 4.0, False, False)
    for i in (0, 63, 64, 149):
        alone = rational_quadratic(value[:, i : i + 1], raw[..., i : i + 1], 4.0, False, False)
        for a, b in zip(alone, together, strict=True):
            assert torch.equal(a[:, 0], b[:, i])


def _example(kind):
    generator = torch.Generator().manual_seed(0)
    options = {"hidden_units": 8, "generator": generator}
    if kind == "coupling":
        return SplineCoupling(5, dropout=0.2, **options)
    if kind == "coupling with context":
        return SplineCoupling(3, 2, reverse=True, dropout=0.2, **options)
    if kind == "single column":
        return SplineCoupling(1, **options)
    if kind == "fractal of unequal halves":
        return FractalCoupling(7, n_levels=2, dropout=0.2, **options)
    if kind == "tied fractal":
        return FractalCoupling(8, 1, tied=True, **options)
    return LULinear(6)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(
    "kind",
    [
        "coupling",
        "coupling with context",
        "single column",
        "fractal of unequal halves",
        "tied fractal",
        "linear",
    ],
)
def test_bijections_and_all_their_gradients(plain, kind, inverse):
    bijection = _example(kind).double().train()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in bijection.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
    x = torch.randn(70, bijection.n_features, generator=generator, dtype=torch.float64)
    context = torch.randn(70, bijection.n_context, generator=generator, dtype=torch.float64)
    names, parameters = zip(*bijection.named_parameters(), strict=True)

    def run(x, context, *parameters):
        # The same dropout masks each time.
        set_generator(bijection, torch.Generator().manual_seed(2))
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(
            _Inverse(bijection) if inverse else bijection,
            {f"bijection.{k}" if inverse else k: v for k, v in given.items()},
            (x, context),
        )

    def values_and_gradients():
        given = [t.detach().clone().requires_grad_() for t in (x, context, *parameters)]
        z, log_det = run(*given)
        total = (z * torch.linspace(0.5, 1.5, z.numel()).view(z.shape)).sum()
        total = total + (log_det * torch.linspace(0.5, 1.5, len(log_det))).sum()
        grads = torch.autograd.grad(total, given, allow_unused=True, materialize_grads=True)
        return [z.detach(), log_det.detach(), *grads]

    _assert_close(values_and_gradients(), plain(values_and_gradients), 1e-10)


class _Inverse(torch.nn.Module):
    def __init__(self, bijection):
        super().__init__()
        self.bijection = bijection

    def forward(self, z, context):
        return self.bijection.inverse(z, context)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: ResidualMLP(3, 4, hidden_units=8), (9, 3)),
        (lambda: GroupedMLP(3, 4, 2), (2, 3, 9)),
    ],
)
def test_networks_score_alike_with_and_without_gradients(build, shape):
    generator = torch.Generator().manual_seed(0)
    net, x = perturbed(build()), torch.randn(shape, generator=generator).double()
    with_gradient = net(x)
    assert with_gradient.abs().max() > 0.1
    with torch.no_grad():
        torch.testing.assert_close(net(x), with_gradient.detach())


def test_kernels_leave_tensors_alone_that_are_more_than_numbers():
    seen = []

    def note(x):
        seen.append(_compiled.applies_to(x))
        return x

    x = torch.zeros(3)
    note(x)
    torch.func.jvp(note, (x,), (x,))
    torch.func.vmap(note)(x)
    with torch.autograd.forward_ad.dual_level():
        note(torch.autograd.forward_ad.make_dual(x, x))
    note(x.to(torch.float16))
    note(x[:0])
    with torch.autocast("cpu"):
        note(x)
    torch.jit.trace(note, x, check_trace=False)
    assert seen == [True, *7 * [False]]


def test_default_flows_are_fused():
    X = np.random.default_rng(0).normal(size=(60, 3))
    for density in (FlowDensity(max_epochs=1), FractalFlowDensity(max_epochs=1)):
        bijections = density.fit(X).module_.bijection.bijections
        assert any(b.fused_steps() is not None for b in bijections)


@pytest.mark.parametrize("build", [lambda: LULinear(3), lambda: SplineCoupling(3)])
def test_second_derivatives_raise_or_are_right(build):
    generator = torch.Generator().manual_seed(0)
    flow = Flow(perturbed(build()), Normal(3)).double()
    x = torch.randn(1, 3, dtype=torch.float64, generator=generator)

    def log_prob(x):
        return flow.log_prob(x).sum()

    with pytest.raises(SecondDerivativeError, match=r"torch\.func"):
        torch.autograd.functional.hessian(log_prob, x)
    step = 1e-5 * torch.eye(3, dtype=torch.float64)[:, None]
    slopes = [torch.func.grad(log_prob)(x + e) - torch.func.grad(log_prob)(x - e) for e in step]
    expected = torch.stack(slopes).view(3, 3) / 2e-5
    found = torch.func.hessian(log_prob)(x).view(3, 3)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_subclass_with_its_own_map_is_not_run_as_its_parent():
    class Twice(LULinear):
        def _forward(self, x, context):
            z, log_det = super()._forward(x, context)
            return 2 * z, log_det + 3 * math.log(2)

        def _inverse(self, z, context):
            x, log_det = super()._inverse(z / 2, context)
            return x, log_det - 3 * math.log(2)

    class Renamed(LULinear):
        pass

    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    for bijection in (Twice(3), Compose([Twice(3), LULinear(3)])):
        z, log_det = bijection(x)
        torch.testing.assert_close(log_det, torch.full((5,), 3 * math.log(2)))
        torch.testing.assert_close(bijection.inverse(z)[0], x)
    assert Renamed(3).fused_steps() is not None


def test_gradients_of_no_rows_are_zero():
    for bijection in (SplineCoupling(3), ElementwiseSpline(3), LULinear(3)):
        z, log_det = bijection(torch.zeros(0, 3))
        (z.sum() + log_det.sum()).backward()
        assert all(p.grad is None or not p.grad.any() for p in bijection.parameters())


def test_nan_stays_nan_in_log_determinants(plain):
    x, spline = torch.zeros(2, 3, dtype=torch.float64), perturbed(ElementwiseSpline(3))
    with torch.no_grad():
        spline.raw[:, 1] = math.nan
        for found, wanted in zip(spline(x), plain(spline, x), strict=True):
            torch.testing.assert_close(found, wanted, equal_nan=True)
        assert spline(x)[1].isnan().all()


def test_kernels_are_compiled_anew_when_what_they_read_changes():
    """numba looks at the file of a kernel only: SOURCES in it stands for the others."""
    from flowkit.bijections import _elementary, _fused_spline, _spline_limits

    read = b"".join(Path(module.__file__).read_bytes() for module in (_elementary, _spline_limits))
    assert hashlib.sha256(read).hexdigest()[:16] == _fused_spline.SOURCES


def test_machine_code_that_cannot_be_read_or_kept_is_done_without():
    class Broken:
        def __init__(self, error):
            self.error, self.flushed = error, False

        def load_overload(self, *args):
            raise self.error

        save_overload = load_overload

        def flush(self):
            self.flushed = True

    for error in (OSError(27, "File too large"), EOFError("Ran out of input")):
        broken = Broken(error)
        cache = _compiled._ForgivingCache(broken)
        assert cache.load_overload("signature", None) is None
        assert broken.flushed
        cache.save_overload("signature", None)

"""Compiled kernels give the numbers that tensor operations give, in values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flowkit import _compiled
from flowkit.bijections import FractalCoupling, LULinear, SplineCoupling
from flowkit.bijections._rational_quadratic import rational_quadratic
from flowkit.nets import GroupedMLP, ResidualMLP, set_generator


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


@pytest.mark.parametrize("net", [ResidualMLP(3, 4, hidden_units=8), GroupedMLP(3, 4, 2)])
def test_networks_score_alike_with_and_without_gradients(net):
    x = torch.randn(2, 3, 9) if isinstance(net, GroupedMLP) else torch.randn(9, 3)
    with_gradient = net(x)
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
    assert seen == [True, False, False, False, False]

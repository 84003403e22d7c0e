"""Laplace quantiles of normal columns, near zero and far out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special

from flowkit.bijections import LaplaceQuantile
from flowkit.exceptions import InvalidParameterError
from flowkit.priors import Laplace, Normal

SIZES = [1e-30, 1e-8, 1e-3, 0.5, 1.0, 1.4, 1.42, 3.0, 8.0, 20.0, 300.0, 1e6]
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def row(dtype):
    sizes = torch.tensor(SIZES, dtype=dtype)
    return torch.cat((sizes, torch.zeros(1, dtype=dtype), -sizes))[None]


@every_dtype
def test_tails_have_the_same_probability_on_both_sides(dtype):
    x = row(dtype)
    z, _ = LaplaceQuantile(x.shape[1], 0.5)(x)
    size = x.abs().double().numpy()
    near = -np.log1p(-special.erf(np.minimum(size, 1) / np.sqrt(2)))
    far = -np.log(2) - special.log_ndtr(-size)
    expected = 0.5 * np.sign(x.numpy()) * np.where(size < 1, near, far)
    rounding = 4 * torch.finfo(dtype).eps
    np.testing.assert_allclose(z.numpy(), expected, rtol=rounding)
    assert z[0, len(SIZES)] == 0


@every_dtype
def test_every_digit_comes_back(dtype):
    x = row(dtype)
    quantile = LaplaceQuantile(x.shape[1], 0.5)
    z, log_det = quantile(x)
    back, back_log_det = quantile.inverse(z)
    torch.testing.assert_close(back, x, rtol=4 * torch.finfo(dtype).eps, atol=0)
    torch.testing.assert_close(back_log_det, -log_det)


@every_dtype
def test_normal_columns_are_as_likely_as_laplace_ones(dtype):
    x = row(dtype).t()
    z, log_slope = LaplaceQuantile(1, 0.5).forward_by_column(x)
    laplace = Laplace(1, 0.5).log_prob(z) + log_slope[:, 0]
    torch.testing.assert_close(laplace, Normal(1).log_prob(x), rtol=4e-6, atol=4e-6)


@every_dtype
def test_gradients_are_those_of_the_slope(dtype):
    x = row(dtype).requires_grad_()
    quantile = LaplaceQuantile(x.shape[1])
    z, log_slope = quantile.forward_by_column(x)
    (slope,) = torch.autograd.grad(z.sum(), x)
    torch.testing.assert_close(slope, log_slope.exp(), rtol=1e-4, atol=1e-4)
    z = z.detach().requires_grad_()
    back, log_slope = quantile.inverse_by_column(z)
    (slope,) = torch.autograd.grad(back.sum(), z)
    torch.testing.assert_close(slope, log_slope.exp(), rtol=1e-4, atol=1e-4)


def test_other_columns_stay():
    x = torch.linspace(-3, 3, 12).view(4, 3)
    z, log_slope = LaplaceQuantile(3, columns=[1]).forward_by_column(x)
    assert torch.equal(z[:, [0, 2]], x[:, [0, 2]])
    assert (z[:, 1] != x[:, 1]).all()
    assert (log_slope[:, [0, 2]] == 0).all()


def test_what_cannot_be_is_refused():
    for scale in (0.0, -1.0, float("inf")):
        with pytest.raises(InvalidParameterError, match="positive finite number, got"):
            LaplaceQuantile(2, scale)
    with pytest.raises(InvalidParameterError, match=r"some of 0 to 1, got \[2\]"):
        LaplaceQuantile(2, columns=[2])

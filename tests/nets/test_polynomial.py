"""Polynomials of rows, and what they are outside their interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowkit.nets import Polynomials


def test_legendre_polynomials_are_orthonormal_over_the_interval():
    x = torch.linspace(-2, 5, 200_001, dtype=torch.float64)
    features = Polynomials(5, low=-2.0, high=5.0)(x[:, None])[:, 0]
    products = torch.trapezoid(features[:, None] * features, x, dim=2) / 7
    torch.testing.assert_close(products, torch.eye(5, dtype=torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("basis", ["legendre", "power"])
def test_polynomials_match_numpy_and_are_flat_outside_the_interval(basis):
    x = torch.linspace(-1, 1, 11, dtype=torch.float64)[:, None]
    features = Polynomials(4, basis, low=-1.0, high=1.0)
    for order, got in enumerate(features(x)[:, 0], start=1):
        coefficients = np.eye(5)[order]
        if basis == "legendre":
            expected = math.sqrt(2 * order + 1) * np.polynomial.legendre.legval(
                x[:, 0], coefficients
            )
        else:
            expected = np.polynomial.polynomial.polyval(x[:, 0], coefficients)
        np.testing.assert_allclose(got, expected, atol=1e-12)
    far = torch.tensor([[1.0], [1e300], [math.inf]], dtype=torch.float64)
    assert (features(far) == features(far[:1])).all()

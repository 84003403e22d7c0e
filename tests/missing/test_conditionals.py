"""Mixtures of incomplete rows: marginals, draws, and expectation maximisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import trapezoid

from flowkit.missing._conditionals import Mixture, fit_incomplete, maximise, variances

from .examples import correlated, with_holes


def random_mixture(k=3, d=4, seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d)) * 0.4 + np.eye(d)
    weights = rng.dirichlet(np.full(k, 3.0))
    return Mixture(weights, rng.normal(size=(k, d)), roots @ roots.swapaxes(1, 2))


def test_known_parts_of_a_mixture_have_the_density_of_the_marginals():
    mixture = random_mixture()
    Z = with_holes(np.random.default_rng(1).normal(size=(40, 4)), 0.5)
    Z[:2] = [[0.1, 0.2, 0.3, 0.4], [np.nan] * 4]
    covariances = np.linalg.inv(mixture.precisions)
    for row, got in zip(Z, mixture.log_density(Z), strict=True):
        known = np.flatnonzero(~np.isnan(row))
        expected = (
            sum(
                weight
                * stats.multivariate_normal(mean[known], cov[np.ix_(known, known)]).pdf(row[known])
                for weight, mean, cov in zip(
                    mixture.weights, mixture.means, covariances, strict=True
                )
            )
            if known.size
            else 1.0
        )
        assert got == pytest.approx(np.log(expected), abs=1e-9)


def test_densities_of_draws_integrate_to_one():
    mixture = random_mixture(d=3)
    _, conditional = next(mixture.given(np.array([[0.5, np.nan, -0.3]])))
    t = np.linspace(-12, 12, 20_001)
    for log_density in conditional.log_densities(np.sinh(t)[None, :, None]):
        assert trapezoid(np.exp(log_density[0]) * np.cosh(t), t) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("wide", [False, True])
def test_draws_have_the_densities_that_are_stated_of_them(wide):
    """Wide ones, weighted by the ratio of densities, have the moments of the others."""
    mixture, n = random_mixture(d=3), 2**15
    _, conditional = next(mixture.given(np.array([[0.5, np.nan, np.nan]])))
    points = torch.quasirandom.SobolEngine(4, scramble=True, seed=0).draw(n, dtype=torch.float64)
    values = conditional.draw(points.numpy()[None].clip(1e-9, 1 - 1e-9), wide)
    own, other = conditional.log_densities(values)
    weight = np.exp(own - other)[0] if wide else np.ones(n)
    assert weight.mean() == pytest.approx(1.0, abs=0.01)
    grid = np.stack(np.meshgrid(*[np.linspace(-9, 9, 400)] * 2, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(mixture.log_density(np.column_stack([np.full(len(grid), 0.5), grid])))
    density /= density.sum()
    for power in (1, 2):
        got = weight @ values[0] ** power / weight.sum()
        np.testing.assert_allclose(got, density @ grid**power, rtol=0.03, atol=0.03)


def test_expectation_maximisation_never_loses_likelihood():
    Z = with_holes(np.concatenate([correlated(200), correlated(200) * [1, -1, 1] + 6]), 0.4)
    Z = Z[~np.isnan(Z).all(1)]
    mixture = random_mixture(3, 3)
    reached = [mixture.log_density(Z).mean()]
    for _ in range(15):
        mixture = maximise(mixture, Z, 1e-9 * variances(Z), max_steps=1)
        reached.append(mixture.log_density(Z).mean())
    assert np.diff(reached).min() > -1e-6
    assert reached[-1] > reached[0] + 1


def test_one_gaussian_with_holes_has_the_moments_of_complete_rows():
    """Where the missing part depends on the known one, means over known values are wrong."""
    X = correlated(2000)
    Z = X.copy()
    Z[X[:, 0] > 1.0, 1] = np.nan
    one = Mixture(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    fitted = maximise(one, Z, variances(Z))
    assert abs(np.nanmean(Z[:, 1]) - X[:, 1].mean()) > 0.4
    assert fitted.means[0, 1] == pytest.approx(X[:, 1].mean(), abs=0.1)
    np.testing.assert_allclose(np.linalg.inv(fitted.precisions[0]), np.cov(X.T), atol=0.35)


def test_the_number_of_components_is_chosen():
    rng = np.random.RandomState(0)
    one = fit_incomplete(with_holes(correlated(500)), None, rng)
    assert len(one.weights) == 1
    two = np.concatenate([correlated(300), correlated(300) + 30])
    assert len(fit_incomplete(with_holes(two), None, rng).weights) == 2

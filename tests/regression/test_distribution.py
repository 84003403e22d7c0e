"""What a fitted model says of its targets: one distribution, whichever way it is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import cumulative_trapezoid, trapezoid

from .examples import fan, fitted, small

ROWS = 2
each = pytest.mark.parametrize("name", ["one", "auto"])


def densities(model, x, grid):
    """Density of each value of a grid, given one row of features."""
    return np.exp(model.log_prob(np.tile(x, (len(grid), 1)), grid))


def wide_grid(model, x, n=2_001):
    low, high = model.predict_quantiles(x[None], [1e-9, 1 - 1e-9])[0]
    return np.linspace(low, high, n)


@each
def test_the_density_integrates_to_one(name):
    model, X, _ = fitted(name)
    for x in X[:ROWS]:
        grid = wide_grid(model, x)
        assert trapezoid(densities(model, x, grid), grid) == pytest.approx(1, abs=1e-4)


@each
def test_the_cdf_is_the_integral_of_the_density(name):
    model, X, _ = fitted(name)
    grid = wide_grid(model, X[0])
    area = cumulative_trapezoid(densities(model, X[0], grid), grid, initial=0)
    cdf = model.cdf(np.tile(X[0], (len(grid), 1)), grid)
    np.testing.assert_allclose(cdf, area, atol=1e-4)


@each
def test_mean_and_deviation_are_those_of_the_density(name):
    model, X, _ = fitted(name)
    mean, std = model.predict(X[:ROWS], return_std=True)
    for i, x in enumerate(X[:ROWS]):
        grid = wide_grid(model, x)
        weight = densities(model, x, grid)
        first = trapezoid(weight * grid, grid)
        second = trapezoid(weight * (grid - first) ** 2, grid)
        assert mean[i] == pytest.approx(first, rel=1e-3, abs=1e-3)
        assert std[i] == pytest.approx(np.sqrt(second), rel=1e-2)


@each
def test_quantiles_undo_the_cdf(name):
    model, X, _ = fitted(name)
    shares = np.array([0.001, 0.05, 0.3, 0.5, 0.9, 0.999])
    quantiles = model.predict_quantiles(X[:ROWS], shares)
    assert (np.diff(quantiles, axis=1) > 0).all()
    for share, values in zip(shares, quantiles.T, strict=True):
        np.testing.assert_allclose(model.cdf(X[:ROWS], values), share, rtol=1e-9)
    interval = model.predict_interval(X[:ROWS], 0.8)
    np.testing.assert_allclose(interval, model.predict_quantiles(X[:ROWS], [0.1, 0.9]))


@pytest.mark.parametrize("name", ["one", "two"])
def test_the_log_density_is_a_change_of_variables(name):
    """By autograd, from the latent alone."""
    model, _, _ = fitted(name)
    module, d = model.module_, model.n_outputs_
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(ROWS, module.n_features)))

    def latent(y, context):
        return module.encode(torch.cat([y, context])[None])[0]

    for row, found in zip(rows, module.log_prob(rows), strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda y, row=row: latent(y, row[d:]), row[:d]
        )
        normal = stats.norm.logpdf(latent(row[:d], row[d:]).detach().numpy()).sum()
        assert found.item() == pytest.approx(normal + torch.linalg.slogdet(jacobian)[1].item())
        back = module.decode(module.encode(row[None]), row[None, d:])
        torch.testing.assert_close(back[0], row[:d], rtol=0, atol=1e-9)


@each
def test_draws_follow_the_cdf(name):
    model, X, _ = fitted(name)
    draws = model.sample(X[:2], 2000, random_state=0)
    assert draws.shape == (2, 2000)
    for x, values in zip(X, draws, strict=False):
        uniform = model.cdf(np.tile(x, (2000, 1)), values)
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3


def test_two_targets_have_one_density():
    model, X, Y = fitted("two")
    low, high = model.predict_quantiles(X[:1], [1e-6, 1 - 1e-6])[0]
    first, second = (np.linspace(*ends, 201) for ends in zip(low, high, strict=True))
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), -1).reshape(-1, 2)
    density = densities(model, X[0], grid).reshape(201, 201)
    assert trapezoid(trapezoid(density, second), first) == pytest.approx(1, abs=0.02)
    # Marginals that rest on draws.
    marginal = cumulative_trapezoid(trapezoid(density, second), first, initial=0)
    pairs = np.column_stack([first, np.full(201, Y[0, 1])])
    cdf = model.cdf(np.tile(X[0], (201, 1)), pairs)[:, 0]
    assert np.abs(cdf - marginal).max() < 0.03


def test_two_targets_agree_with_their_draws():
    model, X, _ = fitted("two")
    draws = model.sample(X[:2], 4000, random_state=0)
    mean, std = model.predict(X[:2], return_std=True)
    np.testing.assert_allclose(mean, draws.mean(1), atol=0.06 * std.max())
    np.testing.assert_allclose(std, draws.std(1), rtol=0.15)
    shares = [0.1, 0.5, 0.9]
    quantiles = model.predict_quantiles(X[:2], shares)
    assert quantiles.shape == (2, 3, 2)
    np.testing.assert_allclose(
        quantiles, np.quantile(draws, shares, axis=1).transpose(1, 0, 2), atol=0.12 * std.max()
    )
    for j in range(2):
        values = np.array([[*row] for row in quantiles[:, 1]])
        np.testing.assert_allclose(model.cdf(X[:2], values)[:, j], 0.5, atol=1e-9)


def test_targets_depend_on_each_other():
    model, X, Y = fitted("two")
    draws = model.sample(X[:1], 2000, random_state=0)[0]
    residual = Y - model.predict(X)
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(np.corrcoef(residual.T)[0, 1], abs=0.2)


def test_spread_follows_the_features():
    model, X, _ = fitted("auto")
    _, std = model.predict(X, return_std=True)
    assert np.corrcoef(np.log(std), X[:, 0])[0, 1] > 0.5


def test_units_of_targets_change_nothing_else():
    model, X, y = fitted()
    other = small().fit(X, 1000 * y - 7)
    np.testing.assert_allclose(other.predict(X), 1000 * model.predict(X) - 7, rtol=1e-3)
    np.testing.assert_allclose(
        other.log_prob(X, 1000 * y - 7), model.log_prob(X, y) - np.log(1000), atol=1e-2
    )


def test_a_row_is_the_same_beside_others():
    model, X, y = fitted("auto")
    one = slice(7, 8)
    np.testing.assert_allclose(model.predict(X)[one], model.predict(X[one]), rtol=1e-9)
    np.testing.assert_allclose(model.log_prob(X, y)[one], model.log_prob(X[one], y[one]), rtol=1e-9)


def test_far_targets_are_impossible_and_not_nan():
    model, X, _ = fitted()
    far = model.log_prob(X[:3], [1e300, -1e300, 1e9])
    assert not np.isnan(far).any()
    assert (far < -100).all()


def test_rounded_targets_get_noise_of_their_spacing():
    X, y = fan()
    model = small(max_epochs=1).fit(X, np.round(y, -1))
    plain = small(max_epochs=1, dequantize=None).fit(X, np.round(y, -1))
    assert np.isfinite(model.history_["valid_log_density"]).all()
    assert model.predict(X[:3], return_std=True)[1].min() > 1
    assert not np.array_equal(model.predict(X), plain.predict(X))

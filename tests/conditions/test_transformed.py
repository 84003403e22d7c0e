"""Answers behind transformers: through maps of single columns, else by draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from flowkit import DifferentiableFunctionTransformer, TransformedDensity
from flowkit.exceptions import LostMassWarning

from .examples import conditioned, fits

MEAN, COVARIANCE = np.array([0.5, -1.0, 0.2]), np.array([[1, 0.6, 0], [0.6, 1, 0.3], [0, 0.3, 0.5]])


def rows(n=400):
    return np.random.default_rng(0).multivariate_normal(MEAN, COVARIANCE, n)


def fitted(transformer, X):
    return TransformedDensity(transformer, GaussianMixture(1)).fit(X)


def law_of(Z, values):
    """The first column given the second, as a Gaussian fitted to rows says."""
    mean, covariance = Z.mean(0), np.cov(Z.T, bias=True)
    moved, within = conditioned(mean, covariance, [1], values)
    return stats.norm(moved[0], within[0, 0] ** 0.5)


def test_conditions_pass_through_logarithms():
    Z = rows()
    density = fitted(FunctionTransformer(np.log, np.exp), np.exp(Z))
    law = law_of(Z, [0.3])
    given = {1: np.exp(0.3)}
    np.testing.assert_allclose(
        density.quantile([0.1, 0.8], 0, given=given), np.exp(law.ppf([0.1, 0.8])), rtol=1e-4
    )
    row = np.exp([[0.7, 0.3, 0.0]])
    assert density.cdf(row, 0, given=1)[0] == pytest.approx(law.cdf(0.7), abs=1e-4)
    drawn = density.sample(500, random_state=0, given=given)
    assert (drawn[:, 1] == np.exp(0.3)).all()
    assert fits(np.log(drawn[:, 0]), law.cdf)
    pair = density.marginal([0, 1])
    score = pair.score_samples(row[:, :2], given=1)
    assert score[0] == pytest.approx(law.logpdf(0.7) - 0.7, abs=1e-4)
    assert density.cdf(np.array([[-1.0, 1.0, 1.0]]), 0)[0] == 0


def test_falling_maps_turn_distributions_round():
    flip = DifferentiableFunctionTransformer(np.negative, np.negative, lambda x: -np.ones_like(x))
    Z = rows()
    density = fitted(flip, -Z)
    law = law_of(Z, [0.3])
    found = density.quantile([0.1, 0.8], 0, given={1: -0.3})
    np.testing.assert_allclose(found, -law.ppf([0.9, 0.2]), rtol=1e-4)
    assert density.cdf(np.array([[-0.7, -0.3, 0.0]]), 0, given=1)[0] == pytest.approx(
        1 - law.cdf(0.7), abs=1e-4
    )


def test_quantiles_lie_within_the_range_of_the_transformer():
    X = rows()[:, :1]
    with pytest.warns(LostMassWarning):
        density = fitted(FunctionTransformer(np.exp, np.log), X)
    Z = np.exp(X)
    below = stats.norm(Z.mean(), Z.std()).cdf(0)
    levels = np.array([0.001, 0.05, 0.2, 0.5, 0.99])
    expected = np.log(stats.norm(Z.mean(), Z.std()).ppf(below + levels * (1 - below)))
    found = density.quantile(levels, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    np.testing.assert_allclose(density.cdf(found[:, None], 0), levels, atol=1e-6)
    drawn = density.sample(500, random_state=0)[:, 0]
    assert fits(drawn, lambda x: density.cdf(x[:, None], 0))


def test_columns_may_change_places():
    frame = pd.DataFrame(rows(), columns=["a", "b", "c"])
    turned = ColumnTransformer([("last", StandardScaler(), ["c"])], remainder="passthrough")
    density = fitted(turned, frame)
    law = law_of(frame.to_numpy(), [0.3])
    assert density.quantile(0.8, "a", given={"b": 0.3}) == pytest.approx(law.ppf(0.8), abs=1e-4)
    drawn = density.sample(300, random_state=0, given={"b": 0.3})
    assert fits(drawn[:, 0], law.cdf)


def test_maps_that_mix_columns_are_asked_by_draws():
    X = rows()
    density = fitted(PCA(3), X)
    law = law_of(X, [0.3])
    row = np.array([[0.7, 0.3, 0.0]])
    found, error = density.cdf(row, 0, given=1, return_std=True)
    assert 0 < error[0] < 0.05
    assert abs(found[0] - law.cdf(0.7)) < 4 * error[0]
    scores, error = density.score_samples(row, return_std=True, given=1)
    moved, within = conditioned(X.mean(0), np.cov(X.T, bias=True), [1], [0.3])
    expected = stats.multivariate_normal(moved, within).logpdf([0.7, 0.0])
    assert abs(scores[0] - expected) < 4 * error[0] + 1e-3

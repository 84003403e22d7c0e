"""Holes are filled with draws from the conditional density."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_iris

from flowkit import FlowDensity
from flowkit.missing._conditionals import Mixture

from .examples import DENSITIES, correlated, every_density, moons, with_holes


def test_imputed_normals_have_the_mean_and_variance_of_the_conditional():
    X = correlated(3000)[:, :2]
    density = FlowDensity(
        prior="normal", max_epochs=5, random_state=0, missing="marginalize", n_transforms=1
    ).fit(with_holes(X))
    rows = np.column_stack([np.linspace(-3, 5, 9), np.full(9, np.nan)])
    draws = density.impute(rows, n_draws=400, random_state=0)
    assert draws.shape == (400, 9, 2)
    # Of the distribution that the rows come from.
    expected = -2.0 + 1.8 / 4.0 * (rows[:, 0] - 1.0)
    np.testing.assert_allclose(draws[:, :, 1].mean(0), expected, atol=0.15)
    np.testing.assert_allclose(draws[:, 2:7, 1].var(0), 1 - 1.8**2 / 4.0, atol=0.06)


def test_imputed_moons_lie_on_the_moons(fitted):
    X = moons(300, seed=7)
    rows = X.copy()
    rows[:150, 0] = np.nan
    rows[150:, 1] = np.nan
    filled = fitted.impute(rows, random_state=0)
    mean = np.where(np.isnan(rows), X.mean(0), X)
    assert fitted.score(filled) > fitted.score(X) - 0.2
    assert fitted.score(mean) < fitted.score(X) - 0.8
    # Proposals that know nothing of the moons are weighted by the density, which does.
    naive = copy.copy(fitted)
    wide = Mixture(np.ones(1), np.zeros((1, 2)), 0.5 * np.eye(2)[None])
    naive._completion = replace(fitted._completion, mixture=wide)
    assert fitted.score(naive.impute(rows, random_state=0)) > fitted.score(X) - 0.25


@every_density
def test_imputing_leaves_what_is_known_and_repeats_with_its_seed(build, holes):
    density = build().fit(holes)
    known = ~np.isnan(holes)
    filled = density.impute(holes, random_state=3)
    assert filled.shape == holes.shape
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[known], holes[known])
    np.testing.assert_array_equal(density.impute(holes, random_state=3), filled)
    assert (density.impute(holes, random_state=4)[~known] != filled[~known]).any()
    complete = moons(5)
    np.testing.assert_array_equal(density.impute(complete), complete)


def test_empty_rows_are_filled_with_samples(fitted):
    drawn = fitted.impute(np.full((500, 2), np.nan), random_state=0)
    own = fitted.sample(500, random_state=1)
    for j in range(2):
        assert stats.ks_2samp(drawn[:, j], own[:, j]).pvalue > 1e-3


def test_columns_of_repeated_values_are_filled_with_values_that_they_have():
    X = load_iris().data
    density = DENSITIES["flow"]().fit(with_holes(X))
    assert (density.dequantization_ > 0).all()
    filled = density.impute(with_holes(X, seed=9), n_draws=3, random_state=0)
    for j in range(4):
        assert np.isin(filled[..., j], X[:, j]).all()


def test_latents_of_incomplete_rows_are_nan(fitted, holes):
    Z = fitted.transform(holes)
    whole = ~np.isnan(holes).any(1)
    assert (np.isnan(Z).all(1) == ~whole).all()
    np.testing.assert_array_equal(Z[whole], fitted.transform(holes[whole]))


@pytest.mark.parametrize(
    "density",
    [DENSITIES["fractal"](), DENSITIES["rg"](top_prior="topic", n_topics=2, prior="normal")],
    ids=["fractal", "rg"],
)
def test_topics_of_incomplete_rows_are_expected_over_what_is_missing(density):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) + 8])
    density.fit(with_holes(X))
    rows = with_holes(X[::8], 0.4, seed=2)
    rows = rows[~np.isnan(rows).all(1)]
    got = density.predict_proba(rows)
    np.testing.assert_allclose(got.sum(1), 1.0)
    filled = density.impute(rows, n_draws=100, random_state=0)
    drawn = density.predict_proba(filled.reshape(-1, 3)).reshape(100, len(rows), -1).mean(0)
    np.testing.assert_allclose(got, drawn, atol=0.15)
    whole = ~np.isnan(rows).any(1)
    np.testing.assert_allclose(got[whole], density.predict_proba(rows[whole]))
    assert density.predict(rows).shape == (len(rows),)

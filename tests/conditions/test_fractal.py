"""Fractal flows given a column, against numerical integrals, with each prior for tables."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from flowkit import FractalFlowDensity

from ..missing.examples import integrated, moons
from .examples import QUICK, fits, law_on_grid

PRIORS = ("topic", "gaussian_mixture", "normal")
every_prior = pytest.mark.parametrize("prior", PRIORS)


@functools.cache
def fractal(prior):
    density = FractalFlowDensity(2, prior=prior, hidden_units=8, lda_backend=None, **QUICK)
    return density.fit(moons(100))


@every_prior
@pytest.mark.parametrize("known", [0, 1])
def test_draws_given_a_column_are_spread_as_the_integral_says(prior, known):
    density = fractal(prior)
    row = density.sample(1, random_state=2)[0]
    row[1 - known] = np.nan
    drawn = density.sample(200, random_state=0, given=row[None])
    assert (drawn[:, known] == row[known]).all()
    points, heights = law_on_grid(density, row, column=1 - known)
    assert fits(drawn[:, 1 - known], lambda x: np.interp(x, points, heights))


@every_prior
def test_scores_given_a_column_are_the_joint_ones_over_the_integral(prior):
    density = fractal(prior)
    rows = density.sample(3, random_state=0)
    scores, error = density.score_samples(rows, return_std=True, given=[1])
    known = np.where([False, True], rows, np.nan)
    expected = density.score_samples(rows) - [integrated(density, row) for row in known]
    assert (np.abs(scores - expected) < 4 * error + 2e-3).all()
    assert (error < 0.2).all()


@every_prior
def test_quantiles_given_a_column_are_those_of_the_integral(prior):
    density = fractal(prior)
    row = density.sample(1, random_state=1)[0]
    points, heights = law_on_grid(density, row)
    levels = [0.1, 0.5, 0.9]
    quantiles = density.quantile(levels, 0, given={1: row[1]})
    np.testing.assert_allclose(np.interp(quantiles, points, heights), levels, atol=0.03)


@every_prior
def test_imputed_values_are_draws_given_what_is_known(prior):
    density = fractal(prior)
    row = density.sample(1, random_state=3)[0]
    row[0] = np.nan
    drawn = density.impute(row[None], n_draws=200, random_state=0)[:, 0, 0]
    points, heights = law_on_grid(density, row)
    assert fits(drawn, lambda x: np.interp(x, points, heights))

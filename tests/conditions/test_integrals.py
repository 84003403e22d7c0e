"""Answers against numerical integrals, where columns are mixed and draws integrate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import cumulative_trapezoid, trapezoid

from flowkit.exceptions import FewEffectiveDrawsWarning

from ..missing.examples import integrated
from .examples import bent, chain, fits, linear

DENSITIES = {"bent": bent, "bent_3d": lambda: bent(3), "chain": chain, "linear_3d": linear}
every_density = pytest.mark.parametrize("build", DENSITIES.values(), ids=DENSITIES)


def law_on_grid(density, row, n=300):
    """The first column given the others of a row: points, and its cumulative distribution there."""
    points = density.location_[0] + density.scale_[0] * np.linspace(-5, 5, n)
    rows = np.tile(row, (n, 1))
    rows[:, 0] = points
    density = np.exp(density.score_samples(rows))
    heights = cumulative_trapezoid(density, points, initial=0)
    return points, heights / heights[-1]


@every_density
def test_a_conditional_score_is_the_joint_one_over_the_integral(build):
    density = build()
    rows = density.sample(2, random_state=0)
    scores, error = density.score_samples(rows, return_std=True, given=[1])
    known = np.where(np.arange(rows.shape[1]) == 1, rows, np.nan)
    grid = {"half_width": 6, "n": 81}
    integrals = [integrated(density, row, **grid) for row in known]
    expected = density.score_samples(rows) - integrals
    assert (np.abs(scores - expected) < 4 * error + 2e-3).all()
    assert (error < 0.2).all()


@every_density
def test_a_cumulative_distribution_is_the_integral_of_the_conditional_density(build):
    density = build()
    row = density.sample(1, random_state=1)[0]
    others = list(range(1, len(row)))
    points, heights = law_on_grid(density, row)
    rows = np.tile(row, (3, 1))
    levels = [0.1, 0.5, 0.9]
    rows[:, 0] = np.interp(levels, heights, points)
    found, error = density.cdf(rows, 0, given=others, return_std=True)
    assert (np.abs(found - levels) < 4 * error + 2e-3).all()
    assert (error < 0.05).all()
    quantiles = density.quantile(levels, 0, given=dict(enumerate(row[1:], 1)))
    np.testing.assert_allclose(np.interp(quantiles, points, heights), levels, atol=0.02)


@every_density
def test_draws_given_columns_are_spread_as_the_integral_says(build):
    density = build()
    row = density.sample(1, random_state=2)[0]
    row[0] = np.nan
    drawn = density.sample(400, random_state=0, given=row[None])
    assert (drawn[:, 1:] == row[1:]).all()
    points, heights = law_on_grid(density, row)
    assert fits(drawn[:, 0], lambda x: np.interp(x, points, heights))


def test_a_marginal_integrates_to_one():
    marginal = bent().marginal(0)
    x = 50 + np.linspace(-60, 60, 150)
    total = trapezoid(np.exp(marginal.score_samples(x[:, None])), x)
    assert total == pytest.approx(1, abs=0.01)


def test_a_marginal_answers_as_its_density_does():
    density = bent(3)
    X = density.sample(20, random_state=0)
    marginal = density.marginal([2, 0])
    pairs = X[:, [2, 0]]
    alone = density.marginal(2).score_samples(X[:, [2]])
    given = marginal.score_samples(pairs, given=0)
    np.testing.assert_allclose(given, marginal.score_samples(pairs) - alone)
    known = {2: X[0, 2]}
    assert marginal.quantile(0.3, 1, given={0: X[0, 2]}) == density.quantile(0.3, 0, given=known)
    np.testing.assert_allclose(marginal.cdf(pairs, 1, given=0), density.cdf(X, 0, given=2))
    drawn = marginal.sample(5, random_state=0, given={0: X[0, 2]})
    assert drawn.shape == (5, 2)
    assert (drawn[:, 0] == X[0, 2]).all()
    assert marginal.marginal([1]).score_samples(X[:3, [0]]) == pytest.approx(
        density.marginal([0]).score_samples(X[:3, [0]])
    )


def test_rows_that_are_given_have_their_draws_next_to_each_other():
    density = linear()
    rows = np.array([[1.0, np.nan, np.nan], [np.nan, -2.0, 0.5]])
    drawn = density.sample(3, random_state=0, given=rows)
    assert drawn.shape == (6, 3)
    assert (drawn[:3, 0] == 1).all()
    assert (drawn[3:, 1:] == [-2, 0.5]).all()
    again = density.sample(3, random_state=0, given=rows)
    np.testing.assert_array_equal(drawn, again)
    assert density.quantile([0.2, 0.8], 0, given=rows[1:]).shape == (1, 2)
    assert density.quantile(0.5, 0, given=rows[1:]).shape == (1,)
    assert np.ndim(density.quantile(0.5, 0)) == 0


def test_quantiles_of_a_column_alone_are_those_of_draws():
    density = linear()
    drawn = density.sample(20_000, random_state=0)[:, 1]
    expected = np.quantile(drawn, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(density.quantile([0.1, 0.5, 0.9], 1), expected, atol=0.05)


def test_conditions_far_off_are_warned_of():
    density = bent()
    with pytest.warns(FewEffectiveDrawsWarning, match="few weighted draws"):
        density.quantile(0.5, 0, given={1: 40.0}, n_draws=16)

"""Effects of any score: a density says which values are typical, the score what they change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from flowkit.outliers._conditional_effects import ConditionalEffects

from .examples import rows


def log_density(copies, _):
    return stats.norm.logpdf(copies).sum(1)


def bounded(copies, _):
    inside = ((copies[:, :2] > -10) & (copies[:, :2] < 10)).all(1)
    return np.where(inside, stats.norm.logpdf(copies).sum(1), -np.inf)


def energy(copies, _):
    """Falls with the square of the first column, and knows no bounds."""
    return -(copies[:, 0] ** 2) + 3 * copies[:, 2]


def test_effects_are_expected_differences_of_the_score():
    X = 2 * rows(20, seed=1)
    effects = ConditionalEffects.of(rows(500))(X, log_density, energy).effects
    expected = np.column_stack([X[:, 0] ** 2 - 1, np.zeros(20), -3 * X[:, 2]])
    np.testing.assert_allclose(effects, expected, atol=1e-3)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_effects_have_the_unit_of_the_score(factor):
    X, effects = 2 * rows(20, seed=1), ConditionalEffects.of(rows(500))

    def scaled(copies, origins):
        return factor * log_density(copies, origins) + 7.0

    alone = effects(X, log_density)
    np.testing.assert_allclose(
        effects(X, log_density, scaled).effects, factor * alone.effects, atol=1e-9
    )
    np.testing.assert_array_equal(effects(X, log_density, scaled).typical, alone.typical)


def test_finite_scores_of_impossible_rows_have_finite_effects():
    """All columns at fault are replaced, and the others are judged in the row that this makes."""
    X = np.array([[50.0, 40.0, 1.0], [50.0, 0.0, 1.0]])
    effects = ConditionalEffects.of(rows(500))
    np.testing.assert_array_equal(
        np.isposinf(effects(X, bounded).effects), [[True, True, False], [True, False, False]]
    )
    got = effects(X, bounded, energy).effects
    np.testing.assert_allclose(got[:, 0], 2500 - 1, atol=0.01)
    np.testing.assert_allclose(got[:, 2], -3, atol=1e-3)
    assert got[1, 1] == pytest.approx(0, abs=1e-6)
    # In the first row the first column is replaced as well.
    assert 2500 - 25 < got[0, 1] < 2500

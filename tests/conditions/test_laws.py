"""Laws of columns: truncated, of angles, and their errors over many sets of draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from flowkit.conditions import MappedLaw, PooledLaw, TruncatedLaw
from flowkit.conditions._laws import DrawnLaw
from flowkit.tables._angle_codec import AngleCodec
from flowkit.tables._table_questions import AngleLaw

N_SETS, N_DRAWS = 400, 100


def drawn(location, scale=1.0):
    """Laws of many sets of weighted normal draws, a row each."""
    rng = np.random.default_rng(0)
    values = rng.normal(location, scale, (N_SETS, N_DRAWS))
    weights = rng.exponential(size=values.shape)
    return DrawnLaw(values, weights / weights.sum(1, keepdims=True))


def of_angles(location, angles=(11.0, 11.4, 12.0)):
    return AngleLaw(drawn(location, 2.0), AngleCodec(0.0, 24.0, np.array(angles)))


LAWS = {
    "drawn": (drawn(0.0), 0.3),
    "falling": (MappedLaw(drawn(0.0), np.negative, np.negative, increases=False), 0.3),
    "truncated": (TruncatedLaw(drawn(0.0), -1.0, np.inf), 0.8),
    "angle_past_midnight": (of_angles(24.0), 2.0),
    "angle_from_midnight": (of_angles(0.0), 2.0),
}


@pytest.mark.parametrize(("law", "value"), LAWS.values(), ids=LAWS)
def test_errors_are_the_spread_over_sets_of_draws(law, value):
    values = np.full((N_SETS, 1), value)
    spread, error = law.cdf(values).std(), law.error(values)
    np.testing.assert_allclose(np.sqrt((error**2).mean()), spread, rtol=0.2)


def test_errors_of_pooled_angles_are_those_of_their_draws():
    pooled = PooledLaw(drawn(24.0, 2.0), np.full((N_SETS // 4, 4), 0.25))
    law = AngleLaw(pooled, AngleCodec(0.0, 24.0, np.array([11.0, 11.4, 12.0])))
    values = np.full((N_SETS // 4, 1), 2.0)
    spread, error = law.cdf(values).std(), law.error(values)
    np.testing.assert_allclose(np.sqrt((error**2).mean()), spread, rtol=0.3)


def test_all_is_below_infinity():
    ends = np.tile([-np.inf, np.inf], (N_SETS, 1))
    for law, _ in list(LAWS.values())[:3]:
        np.testing.assert_allclose(law.cdf(ends), [[0, 1]] * N_SETS)
        np.testing.assert_allclose(law.error(ends), 0, atol=1e-7)


def test_a_truncated_law_is_that_of_what_is_within():
    levels = (np.arange(20_000) + 0.5) / 20_000
    normal = DrawnLaw(stats.norm.ppf(levels)[None], np.full((1, 20_000), 1 / 20_000))
    law, expected = TruncatedLaw(normal, -0.5, 2.0), stats.truncnorm(-0.5, 2.0)
    values, heights = np.array([[-1.0, -0.5, 0.3, 2.0, 5.0]]), np.array([[0.01, 0.5, 0.99]])
    np.testing.assert_allclose(law.cdf(values), expected.cdf(values), atol=1e-4)
    np.testing.assert_allclose(law.quantile(heights), expected.ppf(heights), atol=2e-3)


def test_angles_on_a_lattice_are_answered_on_it():
    law = of_angles(24.0, np.repeat(np.arange(24.0), 2))
    levels = np.tile([0.1, 0.3, 0.5, 0.9], (N_SETS, 1))
    found = law.quantile(levels)
    np.testing.assert_array_equal(found, np.round(found))
    assert (law.cdf(found) >= levels - 1e-9).all()
    first = found == 0
    assert (np.where(first, 0, law.cdf(np.where(first, 0, found - 1))) < levels).all()
    np.testing.assert_allclose(law.cdf(np.full((N_SETS, 1), 23.0)), 1)

"""Normal scores: a map that rises everywhere, and knows no overflow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from flowkit.outliers.views._normal_scores import NormalScores

RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": RNG.normal(size=100),
    "two values": np.repeat([0.0, 1.0], [7, 3]),
    "two rows": np.array([3.0, -1.0]),
    "ties": np.round(RNG.normal(size=100)),
    "ties at the top": np.minimum(RNG.normal(size=100), 0.0),
    "one rare value": np.repeat([0.0, 1.0], [999, 1]),
    "heavy tail": RNG.standard_cauchy(size=1000) ** 3,
    "tiny": 1e-300 * RNG.normal(size=100),
    "huge": 1e300 * RNG.uniform(-1, 1, size=100),
    "timestamps": 1.6e9 + RNG.permutation(100),
}
over_columns = pytest.mark.parametrize("x", COLUMNS.values(), ids=COLUMNS)


def scores_of(x, new, weight=None):
    return NormalScores(x[:, None], weight)(np.asarray(new, float)[:, None])[:, 0]


@over_columns
def test_values_of_training_get_the_normal_quantile_of_their_middle_rank(x):
    expected = norm.ppf((rankdata(x) - 0.5) / len(x))
    np.testing.assert_allclose(scores_of(x, x), expected, atol=1e-12)


@over_columns
def test_the_map_rises_everywhere(x):
    values = np.unique(x)
    far = np.geomspace(1e-6, 1e7 if values[-1] > 1e290 else 1e9, 40) * np.ptp(values)
    inside = np.concatenate([values, values[:-1] + np.diff(values) / 2])
    points = np.unique(np.concatenate([inside, values[-1] + far, values[0] - far]))
    points = points[np.isfinite(points)]
    assert (np.diff(scores_of(x, points)) > 0).all()


@over_columns
@pytest.mark.filterwarnings("error")
def test_scores_of_the_largest_numbers_are_finite(x):
    largest = np.finfo(np.float64).max
    scores = scores_of(x, [-largest, -1e300, 0.0, 1e300, largest])
    assert np.isfinite(scores).all()
    assert (np.diff(scores) >= 0).all()


def test_scores_between_the_smallest_numbers_are_finite_and_in_order():
    x = 1e-320 * RNG.permutation(100)
    scores = scores_of(x, 1e-321 * np.arange(-50, 1050))
    assert np.isfinite(scores).all()
    assert (np.diff(scores) >= 0).all()
    expected = norm.ppf((np.argsort(np.argsort(x)) + 0.5) / len(x))
    np.testing.assert_allclose(scores_of(x, x), expected, atol=1e-12)


@over_columns
def test_the_map_is_continuous_at_its_ends(x):
    ends = np.array([x.min(), x.max()])
    nearby = np.array([np.nextafter(x.min(), -np.inf), np.nextafter(x.max(), np.inf)])
    np.testing.assert_allclose(scores_of(x, nearby), scores_of(x, ends), atol=1e-4)


@over_columns
def test_the_map_is_its_own_mirror_image(x):
    new = np.concatenate([x, 2 * x - np.median(x)])
    np.testing.assert_allclose(scores_of(-x, -new), -scores_of(x, new), atol=1e-12)


@over_columns
def test_units_do_not_matter(x):
    new = np.concatenate([x, 3 * x - 2 * np.median(x)])
    np.testing.assert_allclose(scores_of(x / 8, new / 8), scores_of(x, new), rtol=1e-9)


@over_columns
def test_a_weight_is_a_number_of_repeats(x):
    weight = RNG.integers(1, 4, size=len(x))
    new = np.concatenate([x, 2 * x])
    expected = scores_of(np.repeat(x, weight), new)
    np.testing.assert_allclose(scores_of(x, new, weight), expected, atol=1e-9)


@pytest.mark.filterwarnings("error")
def test_next_to_no_weight_leaves_scores_finite_and_in_order():
    x, weight = np.arange(5.0), np.array([1e-200, 1.0, 1e-20, 1.0, 1e-30])
    scores = scores_of(x, np.arange(-10.0, 20.0), weight)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) >= 0).all()


@pytest.mark.parametrize("value", [0.0, 0.1, -1e300, 1e-300])
def test_any_value_is_far_from_a_constant(value):
    x = np.full(20, value)
    distance = 1e-3 * max(1.0, abs(value))
    low, same, high = scores_of(x, [value - distance, value, value + distance])
    assert same == 0
    assert low < -5
    assert high > 5


def test_beyond_the_range_it_goes_on_as_a_logarithm():
    x = np.random.default_rng(0).normal(size=1000)
    near, far = scores_of(x, [x.max() + 1e6, x.max() + 1e9])
    assert far - near == pytest.approx(np.log(1e3), abs=1e-3)
    end, beyond = scores_of(x, [x.max(), x.max() + 0.01])
    # As steep as in the last twentieth of the rows, which for normal rows is about one.
    assert (beyond - end) / 0.01 == pytest.approx(1, abs=0.2)

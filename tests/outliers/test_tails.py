"""Tails: shares of training rows, and how they go on below these."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.outliers._tails import Tail

RNG = np.random.default_rng(0)
SCORES = {
    "normal": RNG.normal(size=200),
    "wide": -100 * RNG.exponential(size=200),
    "nearly the same": 1e-2 * RNG.normal(size=200),
    "all the same": np.zeros(200),
    "two values": -0.01 * (np.arange(200) % 2),
    "few rows": RNG.normal(size=5),
    "some impossible": np.append(RNG.normal(size=190), np.full(10, -np.inf)),
}
over_scores = pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)


def falling(scores):
    """Scores from the highest of training to far below them all."""
    finite = scores[np.isfinite(scores)]
    return finite.max() - np.linspace(0, np.sqrt(np.ptp(finite) + 1e4), 500) ** 2


@over_scores
def test_shares_are_continued_above_the_lowest_twentieth_as_they_are(scores):
    tail, some = Tail(scores), falling(scores)
    shares = tail(some)
    above = (shares > np.log(0.05)) & (some >= scores[np.isfinite(scores)].min())
    assert above.any()
    np.testing.assert_array_equal(tail.continued(some)[above], shares[above])


@over_scores
def test_below_they_fall_linearly_and_by_no_more_than_scores_do(scores):
    tail = Tail(scores)
    lowest = scores[np.isfinite(scores)].min()
    slopes = np.diff(tail.continued(lowest - np.array([3.0, 2.0, 1.0, 0.0])))
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-9)
    assert 0 < slopes[0] < 1 + 1e-9


@over_scores
def test_shares_fall_with_scores(scores):
    some = falling(scores)
    for values in (Tail(scores)(some), Tail(scores).continued(some)):
        assert (np.diff(values) <= 0).all()
        assert np.isfinite(values).all()
        assert values[-1] < values[0]


@over_scores
def test_no_score_is_lower_than_that_of_an_impossible_row(scores):
    tail = Tail(scores)
    assert np.isneginf([tail(np.array([-np.inf])), tail.continued(np.array([-np.inf]))]).all()

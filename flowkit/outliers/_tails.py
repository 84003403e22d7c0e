"""How strange a score is among others: which scores are the same, shares and p-values."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError

# Scores of one row differ by less, whatever rows stand beside it: in nats, and of their size.
_ROUNDING, _RELATIVE_ROUNDING = 1e-7, 1e-10
# Scores that spread by fewer nats are measured in nats.
_LEAST_SPREAD = 1e-3


def less_rounding(scores):
    """The lowest numbers that may be the same scores.

    Parameters
    ----------
    scores : ndarray or float
        Scores.

    Returns
    -------
    ndarray or float
        A little lower. Rows of these scores have at least that much, those of clearly lower ones
        have less.
    """
    finite = np.isfinite(scores)
    with np.errstate(over="ignore", invalid="ignore"):
        lower = scores - (_ROUNDING + _RELATIVE_ROUNDING * np.abs(scores))
    # A finite threshold stays one.
    return np.where(finite, np.maximum(lower, np.finfo(np.float64).min), scores)[()]


def possible_p_values(n: int) -> np.ndarray:
    """The p-values that n calibration rows can give."""
    return np.arange(1, n + 2) / (n + 1)


def p_values(calibration_scores, scores) -> np.ndarray:
    """Share of calibration rows that are at least as strange as each row, counting the row itself.

    Scores that may be the same count as equally strange, so that p-values are never too small.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of rows that belong, sorted.
    scores : ndarray of shape (n,)
        Scores of the rows.

    Returns
    -------
    ndarray of shape (n,)
        p-values.
    """
    n_as_strange = np.searchsorted(less_rounding(calibration_scores), scores, side="right")
    return possible_p_values(len(calibration_scores))[n_as_strange]


class Tail:
    """Logarithm of the share of some rows that score as low as a given one.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Of these rows.
    """

    def __init__(self, scores):
        finite = np.sort(scores[np.isfinite(scores)])
        if not len(finite):
            raise InvalidDataError("no training row has a finite score, so none can be compared.")
        first = first_of_equals(finite)
        last = np.append(first[1:], len(finite)) - 1
        n_as_low = np.isneginf(scores).sum() + last + 1
        # Equal scores lie between their lowest and their highest, where the share is the same.
        self.scores = np.column_stack([finite[first], finite[last]]).ravel()
        self.log_shares = np.repeat(np.log((1 + n_as_low) / (1 + len(scores))), 2)
        # How far scores spread, by which those beyond all are measured.
        self.spread = spread_of(finite)

    def __call__(self, scores):
        beyond = np.maximum(self.scores[0] - scores, 0.0) / self.spread
        # Between two rows in a straight line: a step would make rounding a different share.
        return np.interp(scores, self.scores, self.log_shares) - np.log1p(beyond)


def spread_of(ordered) -> float:
    """How far the lower half of ordered scores spreads, in nats, 1 where it hardly does."""
    spread = np.median(ordered) - ordered[0]
    return float(spread) if spread > _LEAST_SPREAD else 1.0


def first_of_equals(ordered) -> np.ndarray:
    """Where in ordered scores those begin that are not the same as the ones before."""
    lowest = less_rounding(ordered)
    first, start = [], 0
    # Not from each to the next: many rows have scores so close to each other that all would be one.
    while start < len(ordered):
        first.append(start)
        start = int(np.searchsorted(lowest, ordered[start], side="right"))
    return np.array(first)

"""How strange a row is among training rows: the share of them that score as low."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp

from ..exceptions import InvalidDataError
from ._rounding import first_of_equals
from ._weights import row_counts

# Scores that spread by fewer nats are measured in nats.
_LEAST_SPREAD = 1e-3
# Where tails are continued, and the least fall of scores, in nats, that counts as one there.
_TWENTIETH, _LEAST_UNIT = 0.05, 1.0
_FAR = 10.0


class Tail:
    """Logarithm of the share of training rows that score as low as a given row.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Scores of the training rows.
    weight : ndarray of shape (n,), default=None
        Weights of the rows in the share.

    Raises
    ------
    InvalidDataError
        If none of them is finite.
    """

    def __init__(self, scores, weight=None):
        counts = row_counts(len(scores), weight)
        known = np.flatnonzero(np.isfinite(scores))
        known = known[np.argsort(scores[known])]
        finite = scores[known]
        if not len(finite):
            raise InvalidDataError(
                "no training row has a finite score, so there is nothing to compare rows with: "
                "give rows within the support of the density."
            )
        first = first_of_equals(finite)
        last = np.append(first[1:], len(finite)) - 1
        n_as_low = counts[np.isneginf(scores)].sum() + np.cumsum(counts[known])[last]
        # Equal scores lie between their lowest and their highest, where the share is the same.
        self.scores = np.column_stack([finite[first], finite[last]]).ravel()
        self.log_shares = np.repeat(np.log((1 + n_as_low) / (1 + counts.sum())), 2)
        # The unit in which scores below all of these are measured.
        self.spread = spread_of(finite, counts[known])

    def __call__(self, scores):
        """Logarithms of the shares of scores (n,), shape (n,); they go on falling below all."""
        beyond = np.maximum(self.scores[0] - scores, 0.0) / self.spread
        return self._inside(scores) - np.log1p(beyond)

    def continued(self, scores):
        """The same, but as scores fall below the lowest twentieth of the training rows.

        Shares hardly tell how much of the way back a change of one column is: far below all rows,
        and near outliers among them. The unit is the distance of the twentieth from the median, or
        a nat if that is more: scores of training rows may be all but the same. Ten units below,
        it goes on as a logarithm.
        """
        anchor, middle = np.interp(np.log([_TWENTIETH, 0.5]), self.log_shares, self.scores)
        unit = max(middle - anchor, _LEAST_UNIT)
        inside = self._inside(np.maximum(scores, anchor))
        below = np.maximum(anchor - scores, 0.0) / unit
        # One value far off must not make the values beside it strange.
        far = np.maximum(below - _FAR, 0.0)
        return inside - np.minimum(below, _FAR) - _FAR * np.log1p(far / _FAR)

    def _inside(self, scores):
        # Linear between two rows: with a step, rounding would make it a different share.
        return np.interp(scores, self.scores, self.log_shares)


def spread_of(ordered, counts=None) -> float:
    """Distance of the median of ordered scores from the lowest, in nats; 1 if it is tiny.

    Parameters
    ----------
    ordered : ndarray of shape (n,)
        The scores.
    counts : ndarray of shape (n,), default=None
        How many rows each stands for, one by default.

    Returns
    -------
    float
        Nats.
    """
    if counts is None:
        median = np.median(ordered)
    else:
        cumulative = np.cumsum(counts)
        middle = [
            np.searchsorted(cumulative, cumulative[-1] / 2, side) for side in ("left", "right")
        ]
        median = ordered[middle].mean()
    spread = median - ordered[0]
    return float(spread) if spread > _LEAST_SPREAD else 1.0


def combined(log_shares) -> np.ndarray:
    """Logarithm of the harmonic mean of shares: it is enough that one of them is small.

    Parameters
    ----------
    log_shares : list of ndarray of shape (n,)
        Logarithms of the shares, by one density each.

    Returns
    -------
    ndarray of shape (n,)
        Nats.
    """
    return math.log(len(log_shares)) - logsumexp(-np.array(log_shares), axis=0)

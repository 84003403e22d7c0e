"""Columns as normal scores: ranks that keep what is far away far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from ._beyond import log_beyond, unit_of_constant

# The tail that tells how steep a map is at its end, as a share of the rows.
_TAIL = 0.05
# Keeps normal scores finite and apart where a row has next to no weight.
_LEAST_SHARE, _LEAST_RISE = 1e-300, 1e-6


class NormalScores:
    """Each column mapped onto a standard normal by its ranks, and like a logarithm beyond these.

    The map is linear between two values of training; equal values get the middle of their ranks.
    Beyond the range it goes on as a logarithm, at first as steep as in the last twentieth of the
    rows. So a row that is farther away stays farther, while a heavy tail hides no other column.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows, finite.
    weight : ndarray of shape (n_samples,) or None, default=None
        Positive weights of the rows; None for equal ones.
    """

    def __init__(self, X: np.ndarray, weight: np.ndarray | None = None):
        self._maps = [_Map.of(column, weight) for column in X.T]

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Normal scores of rows, shape (n_samples, n_features)."""
        return np.column_stack([one(column) for one, column in zip(self._maps, X.T, strict=True)])

    def places(self, X: np.ndarray) -> np.ndarray:
        """Places of values among those of training, -1 for others; of the shape of X."""
        return np.column_stack([one.place(x) for one, x in zip(self._maps, X.T, strict=True)])


class _Map(NamedTuple):
    """The map of one column: values in order, their scores, and the units beyond both ends.

    Values are halved: the distance of two never overflows.
    """

    halves: np.ndarray
    scores: np.ndarray
    below: float
    above: float

    @classmethod
    def of(cls, x, weight):
        halves, index = np.unique(x / 2, return_inverse=True)
        mass = np.bincount(index, weight)
        scores = _scores(mass)
        return cls(halves, scores, _unit(-halves[::-1], -scores[::-1]), _unit(halves, scores))

    def __call__(self, x):
        half = x / 2
        inside = np.interp(half, self.halves, self.scores)
        # Between the smallest numbers the slope overflows.
        if not np.isfinite(inside).all():
            lower = np.searchsorted(self.halves, half, side="right") - 1
            inside = np.where(np.isfinite(inside), inside, self.scores[lower])
        above = log_beyond(np.maximum(half - self.halves[-1], 0.0), self.above)
        below = log_beyond(np.maximum(self.halves[0] - half, 0.0), self.below)
        return inside + above - below

    def place(self, x):
        half = x / 2
        place = np.searchsorted(self.halves, half).clip(max=len(self.halves) - 1)
        return np.where(self.halves[place] == half, place, -1)


def _scores(mass):
    """Normal scores of the middle of each mass, as exact in the upper tail as in the lower."""
    lower = np.cumsum(mass) - mass / 2
    upper = np.cumsum(mass[::-1])[::-1] - mass / 2
    lower, upper = (np.maximum(part / mass.sum(), _LEAST_SHARE) for part in (lower, upper))
    return np.where(lower < upper, ndtri(lower), -ndtri(upper))


def _unit(halves, scores):
    """Length over which the map rises by one at its upper end, halved like the values."""
    if len(halves) == 1:
        return unit_of_constant(2 * halves[0]) / 2
    start = min(-ndtri(_TAIL), scores[-2])
    length = halves[-1] - np.interp(start, scores, halves)
    return length / max(scores[-1] - start, _LEAST_RISE)

"""Columns as normal scores: ranks that keep what is far away far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

# The tail that tells how steep a map is at its end, as a share of the rows.
_TAIL = 0.05


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


class _Map(NamedTuple):
    """The map of one column: values in order, their scores, and the units beyond both ends."""

    values: np.ndarray
    scores: np.ndarray
    below: float
    above: float

    @classmethod
    def of(cls, x, weight):
        values, index = np.unique(x, return_inverse=True)
        mass = np.bincount(index, weight)
        scores = ndtri((np.cumsum(mass) - mass / 2) / mass.sum())
        return cls(values, scores, _unit(-values[::-1], -scores[::-1]), _unit(values, scores))

    def __call__(self, x):
        inside = np.interp(x, self.values, self.scores)
        above = np.maximum(x - self.values[-1], 0.0) / self.above
        below = np.maximum(self.values[0] - x, 0.0) / self.below
        return inside + np.log1p(above) - np.log1p(below)


def _unit(values, scores):
    """Length over which the map rises by one at its upper end."""
    if len(values) == 1:
        # Any other value is far from a constant.
        return np.finfo(np.float32).eps * max(abs(values[0]), 1.0)
    start = min(-ndtri(_TAIL), scores[-2])
    return (values[-1] - np.interp(start, scores, values)) / (scores[-1] - start)

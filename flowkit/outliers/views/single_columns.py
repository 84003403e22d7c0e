"""The strangest single value of a row: how isolated it is in its column."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval

from .._weights import row_counts
from ._base import LeaveOneOutView
from ._beyond import log_beyond, unit_of_constant
from ._levels import level_mask

# Distances are the same that differ by less, relative to the values.
ROUNDING = 16 * np.finfo(np.float64).eps


class SingleColumns(LeaveOneOutView):
    """How isolated the most isolated value of a row is within its own column.

    A value is as isolated as its mean distance from the nearest values of training. It is compared
    with the training values: the score is the smallest share, over the columns, of training values
    that are as isolated. This finds values out of range, in gaps, or new among values that repeat.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of nearest values.
    categorical_features : array-like or None, default=None
        Columns that hold codes of levels, by a mask or by their positions. A level is the more
        isolated the fewer rows have it.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    See Also
    --------
    RankedNeighbors : Neighbours in all columns at once.

    Notes
    -----
    `score_samples` is the logarithm of the share, at most 0. It goes on falling for values more
    isolated than all of training.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.outliers import SingleColumns
    >>> X = np.random.default_rng(0).integers(5, size=(200, 2))
    >>> SingleColumns().fit(X).score_samples([[1, 2], [1, 2.5]]).round(1)
    array([ 0. , -6.8])
    """

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "categorical_features": ["array-like", None],
    }

    def __init__(self, *, n_neighbors=5, categorical_features=None):
        self.n_neighbors = n_neighbors
        self.categorical_features = categorical_features

    def _fit(self, X, weight):
        counts = row_counts(len(X), weight)
        is_level = level_mask(self.categorical_features, X.shape[1])
        self._columns = [
            Levels(x, counts) if flag else _Numbers(x, counts, self.n_neighbors)
            for x, flag in zip(X.T, is_level, strict=True)
        ]

    def _score_without(self, X, rows):
        columns = zip(self._columns, X.T, rows.T, strict=True)
        return np.min([column(x, row) for column, x, row in columns], axis=0)


class _Shares:
    """Logarithms of the shares of rows that are at least as isolated as a value.

    Parameters
    ----------
    isolation : ndarray of shape (n,)
        How isolated the values of training are.
    counts : ndarray of shape (n,)
        How many rows each stands for.
    """

    def __init__(self, isolation, counts):
        order = np.argsort(isolation)
        self._isolation = isolation[order]
        # One row more stands for the one that is scored.
        as_isolated = np.append(np.cumsum(counts[order][::-1])[::-1], 0.0) + 1
        self._log_shares = np.log(as_isolated / (counts.sum() + 1))

    @property
    def largest(self):
        return self._isolation[-1]

    def __call__(self, isolation):
        return self._log_shares[np.searchsorted(self._isolation, isolation, side="left")]


class _Numbers:
    """A column of numbers: isolated is what is far from its nearest values.

    Values, and so distances, are halved: the distance of two never overflows.
    """

    def __init__(self, x, counts, k):
        halves, index = np.unique(x / 2, return_inverse=True)
        self._halves = np.concatenate([[-np.inf], halves, [np.inf]])
        self._counts = np.concatenate([[0.0], np.bincount(index, counts), [0.0]])
        self._k = k
        self._shares = _Shares(self._isolation(x, x), counts)
        # A tenth of the standard deviation; of a constant any other value is far.
        self._unit = _deviation(halves, self._counts[1:-1]) / 10
        if len(halves) == 1:
            self._unit = unit_of_constant(x[0]) / 2

    def __call__(self, x, rows):
        isolation = self._isolation(x, rows)
        beyond = log_beyond(np.maximum(isolation - self._shares.largest, 0.0), self._unit)
        # Values as isolated but for rounding are as isolated.
        return self._shares(isolation - ROUNDING * np.abs(x)) - beyond

    def _isolation(self, x, rows):
        """Half the mean distance of each x from its nearest values, without the one of its row."""
        half, own = x / 2, rows / 2
        right = np.searchsorted(self._halves, half)
        left, last = right - 1, len(self._halves) - 1
        total, missing = np.zeros(len(x)), np.full(len(x), float(self._k))
        is_open = True
        while np.any(is_open):
            to_left, to_right = half - self._halves[left], self._halves[right] - half
            is_left = to_left < to_right
            nearest = np.where(is_left, left, right)
            distance = np.minimum(to_left, to_right)
            others = self._counts[nearest] - (self._halves[nearest] == own)
            used = np.clip(others, 0.0, missing)
            total += np.where(used > 0, distance, 0.0) * (used / self._k)
            missing -= used
            is_open = (missing > 0) & np.isfinite(distance)
            left, right = left - is_left, np.minimum(right + ~is_left, last)
        return total * (self._k / (self._k - missing))


class Levels:
    """A column of levels: isolated is what few rows have."""

    def __init__(self, x, counts):
        self._levels, index = np.unique(x, return_inverse=True)
        self._counts = np.bincount(index, counts)
        self._shares = _Shares(-self._of_others(x, x), counts)

    def __call__(self, x, rows):
        return self._shares(-self._of_others(x, rows))

    def _of_others(self, x, rows):
        """How many rows have the level of each x, without its own row."""
        place = np.searchsorted(self._levels, x).clip(max=len(self._levels) - 1)
        count = np.where(self._levels[place] == x, self._counts[place], 0.0)
        return np.maximum(count - (x == rows), 0.0)


def _deviation(x, counts) -> float:
    """Standard deviation of numbers whose squares may overflow."""
    scale = np.abs(x).max() or 1.0
    mean = np.average(x / scale, weights=counts)
    return scale * np.sqrt(np.average((x / scale - mean) ** 2, weights=counts))


# Files and pickles of earlier versions have this name.
_Levels = Levels

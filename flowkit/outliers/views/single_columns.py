"""The strangest single value of a row: how isolated it is in its column."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import View
from ._levels import level_mask


class SingleColumns(View):
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
        weight = np.ones(len(X)) if weight is None else weight
        is_level = level_mask(self.categorical_features, X.shape[1])
        self._columns = [
            _Levels(x, weight) if flag else _Numbers(x, weight, self.n_neighbors)
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
    weight : ndarray of shape (n,)
        Weights of the rows.
    """

    def __init__(self, isolation, weight):
        order = np.argsort(isolation)
        self._isolation = isolation[order]
        # One row more stands for the one that is scored.
        as_isolated = np.append(np.cumsum(weight[order][::-1])[::-1], 0.0) + weight.mean()
        self._log_shares = np.log(as_isolated / (weight.sum() + weight.mean()))

    @property
    def largest(self):
        return self._isolation[-1]

    def __call__(self, isolation):
        return self._log_shares[np.searchsorted(self._isolation, isolation, side="left")]


class _Numbers:
    """A column of numbers: isolated is what is far from its nearest values."""

    def __init__(self, x, weight, k):
        self._values, self._k = np.sort(x), k
        self._shares = _Shares(self._isolation(x, x), weight)
        # A tenth of the standard deviation; of a constant any other value is far.
        self._unit = x.std() / 10 or np.finfo(np.float32).eps * max(abs(x[0]), 1.0)

    def __call__(self, x, rows):
        isolation = self._isolation(x, rows)
        beyond = np.maximum(isolation - self._shares.largest, 0.0) / self._unit
        return self._shares(isolation) - np.log1p(beyond)

    def _isolation(self, x, rows):
        """Mean distance of each x from its nearest values, without the one of its row."""
        values, k = self._values, self._k
        place = np.searchsorted(values, x)[:, None] + np.arange(-k - 1, k + 2)
        there = (place >= 0) & (place < len(values))
        near = values[np.clip(place, 0, len(values) - 1)]
        distances = np.where(there, np.abs(near - x[:, None]), np.inf)
        # Of a run of equal values one is enough to leave out.
        own = there & (near == rows[:, None])
        distances[own & (np.cumsum(own, axis=1) == 1)] = np.inf
        nearest = np.sort(distances, axis=1)[:, :k]
        found = np.isfinite(nearest)
        return np.where(found, nearest, 0.0).sum(1) / np.maximum(found.sum(1), 1)


class _Levels:
    """A column of levels: isolated is what few rows have."""

    def __init__(self, x, weight):
        self._levels, index = np.unique(x, return_inverse=True)
        self._mass = np.bincount(index, weight)
        self._one = weight.mean()
        self._shares = _Shares(-self._of_others(x, x), weight)

    def __call__(self, x, rows):
        return self._shares(-self._of_others(x, rows))

    def _of_others(self, x, rows):
        """Weight of the rows that have the level of each x, without its own row."""
        place = np.searchsorted(self._levels, x).clip(max=len(self._levels) - 1)
        known = self._levels[place] == x
        mass = np.where(known, self._mass[place], 0.0) - self._one * (x == rows)
        return np.maximum(mass, 0.0)

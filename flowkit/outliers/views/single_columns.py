"""The strangest single value of a row: how isolated it is in its column."""

from __future__ import annotations

from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import View


class SingleColumns(View):
    """How isolated the most isolated value of a row is within its own column.

    A value is as isolated as its mean distance from the nearest values of training. It is compared
    with the training values: the score is the smallest share, over the columns, of training values
    that are as isolated. This finds values out of range, in gaps, or new among values that repeat.

    Parameters
    ----------
    n_neighbors : int, default=5
        Number of nearest values.

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

    _parameter_constraints: dict = {"n_neighbors": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, *, n_neighbors=5):
        self.n_neighbors = n_neighbors

    def _fit(self, X, weight):
        self._columns = [_Column.of(x, weight, self.n_neighbors) for x in X.T]

    def _score_without(self, X, rows):
        shares = [
            column.log_share(x, row, self.n_neighbors)
            for column, x, row in zip(self._columns, X.T, rows.T, strict=True)
        ]
        return np.min(shares, axis=0)


class _Column(NamedTuple):
    """Values of a column, and how isolated they are.

    Attributes
    ----------
    values : ndarray of shape (n,)
        In order.
    isolation : ndarray of shape (n,)
        Mean distances of the values from the nearest others, in order.
    log_share : ndarray of shape (n + 1,)
        Logarithm of the share of values that are at least as isolated as each, then of none.
    unit : float
        What larger distances than all of these are measured in.
    """

    values: np.ndarray
    isolation: np.ndarray
    log_shares: np.ndarray
    unit: float

    @classmethod
    def of(cls, x, weight, k):
        values, ones = np.sort(x), np.ones(len(x)) if weight is None else weight
        isolation = _isolation(values, x, x, k)
        order = np.argsort(isolation)
        # One value more stands for the one that is scored.
        mass = np.append(np.cumsum(ones[order][::-1])[::-1], 0.0)
        mean = ones.mean()
        log_shares = np.log((mass + mean) / (ones.sum() + mean))
        return cls(values, isolation[order], log_shares, _unit(x))

    def log_share(self, x, rows, k):
        isolation = _isolation(self.values, x, rows, k)
        position = np.searchsorted(self.isolation, isolation, side="left")
        beyond = np.maximum(isolation - self.isolation[-1], 0.0) / self.unit
        return self.log_shares[position] - np.log1p(beyond)


def _isolation(values, x, rows, k):
    """Mean distance of each x from the k nearest of ordered values, without the one of its row."""
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


def _unit(x):
    """A tenth of the standard deviation, of a constant column a hair."""
    scale = x.std() / 10
    return scale if scale > 0 else np.finfo(np.float32).eps * max(abs(x[0]), 1.0)

"""Values of a column that may replace its own: which they are, and which of them are typical."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from ..columns import moments
from ..validation import as_floats, container_of, distinct_values, missing_in, pick

# Values around the prediction from the other columns, a step apart: in standard deviations of the
# residual.
_STEPS = np.arange(-24, 25)
_STEP = 0.25
# Values elsewhere: evenly spaced, and at quantiles of those seen.
_N_EVEN, _N_QUANTILES = 16, 24
# How far the values go beyond those seen, in standard deviations.
_MARGIN = 2.0
# A column of at most so many values, which repeat, is replaced by these values alone.
_FEW_VALUES = 32
# Least share of a column's variance that the other columns do not explain.
_OWN_VARIANCE = 1e-4
# Interquartile range of a normal column in standard deviations.
_NORMAL_IQR = 1.349
# Shares below and above the interval of typical numbers.
_LOW, _HIGH = 0.05, 0.95
# Shares that differ by less are the same.
_ROUNDING = 1e-9


class Typical(NamedTuple):
    """What is typical of a column, given the others of each row.

    Parameters
    ----------
    value : ndarray or Series of shape (n,)
        The median of numbers, else the likeliest value.
    low, high : ndarray of shape (n,)
        Between which numbers lie with a probability of 0.9; NaN for others.
    probability : ndarray of shape (n,)
        Of the likeliest value, where a column has few; NaN where it has a density.
    """

    value: Any
    low: np.ndarray
    high: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class Axis:
    """Values of a column of numbers: around the prediction from the others, and over its range.

    Parameters
    ----------
    seen : ndarray of shape (k,)
        Values over the range of the column, in order.
    location : float
        Mean of the column.
    coefficients : ndarray of shape (n_numeric,)
        Its regression on all columns of numbers, 0 on itself.
    step : float
        Distance between the values around the prediction.
    whole : bool
        Whether all its values are whole numbers.
    """

    seen: np.ndarray
    location: float
    coefficients: np.ndarray
    step: float
    whole: bool

    @classmethod
    def of(cls, x, location, coefficients, scale):
        """The values of a column x whose residual has the standard deviation `scale`."""
        margin = _MARGIN * x.std()
        even = np.linspace(x.min() - margin, x.max() + margin, _N_EVEN)
        seen = np.sort(np.append(even, np.quantile(x, np.linspace(0, 1, _N_QUANTILES))))
        whole = bool((np.rint(x) == x).all())
        if whole:
            return cls(np.rint(seen), location, coefficients, np.ceil(_STEP * scale), whole)
        return cls(seen, location, coefficients, _STEP * scale, whole)

    @property
    def n_values(self) -> int:
        return len(self.seen) + len(_STEPS)

    def candidates(self, centred):
        """Values for some rows, flat, and the length that each stands for, (n, n_values)."""
        # A product of matrices would differ in the last bits with the number of rows.
        expected = self.location + (centred * self.coefficients).sum(1, keepdims=True)
        if self.whole:
            expected = np.rint(expected)
        around = expected + self.step * _STEPS
        # Even steps integrate a normal density exactly, so no other value may lie among them.
        low, high = around[:, :1], around[:, -1:]
        nearer = np.where(self.seen < expected, low, high)
        inside = (self.seen > low) & (self.seen < high)
        values = np.sort(np.hstack([around, np.where(inside, nearer, self.seen)]), axis=1)
        gaps = 0.5 * np.diff(values, axis=1)
        return values.ravel(), np.pad(gaps, ((0, 0), (1, 0))) + np.pad(gaps, ((0, 0), (0, 1)))

    def typical(self, values, shares) -> Typical:
        """What is typical, by the probability (n, n_values) of each of these values."""
        values = values.reshape(shares.shape)
        middles = 0.5 * (values[:, 1:] + values[:, :-1])
        edges = np.hstack([values[:, :1], middles, values[:, -1:]])
        low, median, high = (self._quantile(edges, shares, share) for share in (_LOW, 0.5, _HIGH))
        return Typical(median, low, high, np.full(len(shares), np.nan))

    def _quantile(self, edges, shares, share):
        """Where the distribution reaches a share, as if each value stood for its surroundings."""
        reached = shares.cumsum(1)
        at = np.minimum((reached < share).sum(1), shares.shape[1] - 1)
        row = np.arange(len(at))
        with np.errstate(invalid="ignore", divide="ignore"):
            within = 1 - (reached[row, at] - share) / shares[row, at]
        value = edges[row, at] + within.clip(0, 1) * (edges[row, at + 1] - edges[row, at])
        return np.rint(value) if self.whole else value


@dataclass(frozen=True)
class Levels:
    """The values of a column that has few.

    Parameters
    ----------
    values : ndarray or Series
        Each value once.
    numbers : ndarray or None
        The same as numbers, if they are any.
    """

    values: Any
    numbers: np.ndarray | None

    @classmethod
    def of(cls, column):
        """The values of a column of an array or of a DataFrame."""
        values = distinct_values(column)
        return cls(values, numbers_of(values))

    @property
    def n_values(self) -> int:
        return len(self.values)

    def candidates(self, centred):
        """Each value for each row, flat, and how much it counts, (n, n_values)."""
        index = np.tile(np.arange(self.n_values), len(centred))
        weights = np.ones((len(centred), self.n_values))
        return pick(self.values, index), weights

    def typical(self, values, shares) -> Typical:
        """What is typical, by the probability (n, n_values) of each of these values."""
        highest = shares.max(1)
        likeliest = (shares >= highest[:, None] - _ROUNDING).argmax(1)
        low = high = np.full(len(shares), np.nan)
        if self.numbers is not None:
            order = np.argsort(self.numbers, kind="stable")
            reached = shares[:, order].cumsum(1) + _ROUNDING
            low, high = (
                self.numbers[order][(reached >= share).argmax(1)] for share in (_LOW, _HIGH)
            )
        return Typical(pick(self.values, likeliest), low, high, highest)


def values_of_columns(X):
    """What replaces the values of each column of training rows, and where these hold numbers.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Training rows.

    Returns
    -------
    columns : list of Axis or Levels
        One for each column.
    numeric : ndarray of int of shape (n_numeric,)
        Positions of the columns that hold numbers.
    location : ndarray of shape (n_numeric,)
        Their means.
    """
    given = container_of(X).columns()
    numbers = [numbers_of(column) for column in given]
    numeric = np.array([j for j, x in enumerate(numbers) if x is not None], dtype=int)
    matrix = np.column_stack([numbers[j] for j in numeric]) if numeric.size else None
    location, coefficients, scale = _regressions(matrix)
    columns = [Levels.of(column) for column in given]
    for i, j in enumerate(numeric):
        x = matrix[np.isfinite(matrix[:, i]), i]
        if not _is_counted(x):
            columns[j] = Axis.of(x, location[i], coefficients[i], scale[i])
    return columns, numeric, location


def numbers_of(column):
    """A column in float64, NaN where it has no value; None if it holds anything but numbers."""
    if getattr(column.dtype, "kind", "O") in "iuf":
        return as_floats(column)
    present = column[~missing_in(column)]
    if column.dtype != object or not all(_is_number(value) for value in present):
        return None
    return as_floats(column)


def _is_number(value) -> bool:
    return isinstance(value, Number) and not isinstance(value, (bool, np.bool_))


def _is_counted(x) -> bool:
    """Whether a column of numbers has so few values that all can be tried."""
    n_distinct = len(np.unique(x))
    return n_distinct < 2 or n_distinct <= min(_FEW_VALUES, len(x) / 2)


def _regressions(X):
    """Mean of each column, its regression on the others, and standard deviation of the residual."""
    if X is None:
        return (np.empty(0),) * 3
    complete = X[np.isfinite(X).all(1)]
    d = X.shape[1]
    location, coefficients, own = np.zeros(d), np.zeros((d, d)), np.zeros(d)
    if not len(complete):
        return location, coefficients, own
    location, scale, constant = moments(complete)
    varying = np.flatnonzero(~constant & np.isfinite(scale))
    if varying.size:
        scale = scale[varying]
        scaled = (complete[:, varying] - location[varying]) / scale
        correlation = np.atleast_2d(np.corrcoef(scaled, rowvar=False))
        precision = np.linalg.inv(correlation + _OWN_VARIANCE * np.eye(varying.size))
        slopes = -precision / np.diag(precision)[:, None]
        np.fill_diagonal(slopes, 0.0)
        coefficients[np.ix_(varying, varying)] = slopes * scale[:, None] / scale
        own[varying] = np.minimum(scale, _spread(complete[:, varying])) / np.sqrt(
            np.diag(precision)
        )
    return location, coefficients, own


def _spread(X):
    """Standard deviation of columns by their quartiles, which a few values far off do not move."""
    low, high = np.quantile(X, [0.25, 0.75], axis=0)
    return np.where(high > low, (high - low) / _NORMAL_IQR, np.inf)

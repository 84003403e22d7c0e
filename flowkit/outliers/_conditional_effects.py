"""How much each column adds to the surprise of a row, by replacing it with typical values."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import _safe_indexing

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
# Rows that the density scores at once.
_MAX_ROWS = 2**15
# Least share of a column's variance that the other columns do not explain.
_OWN_VARIANCE = 1e-4
# Interquartile range of a normal column in standard deviations.
_NORMAL_IQR = 1.349


@dataclass(frozen=True)
class ConditionalEffects:
    """Typical values of every column, and the effect of putting them into rows.

    Parameters
    ----------
    columns : list of _Axis or _Levels
        What replaces the values of each column.
    numeric : ndarray of int
        Positions of the columns that hold numbers.
    location : ndarray of shape (n_numeric,)
        Their means.
    """

    columns: list[_Axis | _Levels]
    numeric: np.ndarray
    location: np.ndarray

    @classmethod
    def of(cls, X) -> ConditionalEffects:
        """Learn typical values from training rows, an array or a DataFrame."""
        given = container_of(X).columns()
        numbers = [_numbers(column) for column in given]
        numeric = np.array([j for j, x in enumerate(numbers) if x is not None], dtype=int)
        matrix = np.column_stack([numbers[j] for j in numeric]) if numeric.size else None
        location, coefficients, scale = _regressions(matrix)
        columns = [_Levels(distinct_values(column)) for column in given]
        for i, j in enumerate(numeric):
            x = matrix[np.isfinite(matrix[:, i]), i]
            if not _is_counted(x):
                columns[j] = _Axis.of(x, location[i], coefficients[i], scale[i])
        return cls(columns, numeric, location)

    def __call__(self, X, log_density) -> np.ndarray:
        """Surprise of each value given the others, minus the expected surprise.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        log_density : callable
            ``log_density(copies, rows)`` is the log density, in nats, of copies of rows: as many of
            each row, those of one row next to each other.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            ``E[log p(v | others)] - log p(value | others)`` in nats, the expectation over values
            ``v`` drawn from ``p(v | others)``; 0 where the value is missing, or none is possible.
        """
        observed = log_density(X, X)
        centred = self._centred(X)
        effects = [self._effect(X, j, observed, centred, log_density) for j in range(X.shape[1])]
        return np.column_stack(effects)

    def _centred(self, X):
        """Numbers of rows minus the means of their columns, 0 where one is missing."""
        numbers = np.empty((len(X), len(self.numeric)))
        for i, j in enumerate(self.numeric):
            numbers[:, i] = as_floats(container_of(X).column(j))
        return np.nan_to_num(numbers - self.location, posinf=0.0, neginf=0.0)

    def _effect(self, X, j, observed, centred, log_density):
        column = self.columns[j]
        if not column.n_values:
            return np.zeros(len(X))
        n_parts = -(-len(X) * column.n_values // _MAX_ROWS)
        parts = np.array_split(np.arange(len(X)), min(n_parts, len(X)))
        expected = np.empty(len(X))
        for rows in parts:
            values, weights = column.candidates(centred[rows])
            part = _safe_indexing(X, rows)
            scores = log_density(_replaced(part, j, values, column.n_values), part)
            expected[rows] = _expected_log_density(scores.reshape(weights.shape), weights)
        blameless = np.isneginf(expected) | missing_in(container_of(X).column(j))
        with np.errstate(invalid="ignore"):
            return np.where(blameless, 0.0, expected - observed)


@dataclass(frozen=True)
class _Axis:
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


@dataclass(frozen=True)
class _Levels:
    """The values of a column that has few.

    Parameters
    ----------
    values : ndarray or Series
        Each value once.
    """

    values: Any

    @property
    def n_values(self) -> int:
        return len(self.values)

    def candidates(self, centred):
        """Each value for each row, flat, and how much it counts, (n, n_values)."""
        index = np.tile(np.arange(self.n_values), len(centred))
        weights = np.ones((len(centred), self.n_values))
        return pick(self.values, index), weights


def _expected_log_density(log_density, weights):
    """Mean log density over values, weighted by their density."""
    with np.errstate(divide="ignore"):
        log_mass = log_density + np.log(weights)
    total = logsumexp(log_mass, axis=1, keepdims=True)
    possible = np.isfinite(total[:, 0])
    share = np.exp(log_mass - np.where(possible[:, None], total, 0.0))
    # x log y is zero where x is, whatever the density there.
    contribution = share * np.where(share > 0, log_density, 0.0)
    return np.where(possible, contribution.sum(1), -np.inf)


def _replaced(X, j, values, n_values):
    """Each row `n_values` times, with its values put into column j."""
    return container_of(X).take(np.repeat(np.arange(len(X)), n_values), {j: values})


def is_missing(X) -> np.ndarray:
    """Where an array or DataFrame has no value, shape (n_samples, n_features)."""
    return np.column_stack([missing_in(column) for column in container_of(X).columns()])


def _numbers(column):
    """A column in float64, None if it holds anything but numbers."""
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

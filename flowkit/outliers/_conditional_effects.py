"""How much each column adds to the surprise of a row, by replacing it with typical values."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.utils import _safe_indexing

from ..columns._moments import moments
from ..validation._real_rows import is_missing_value

# Values around what the other columns say, in steps of deviations of a column given these.
_STEPS = np.arange(-24, 25)
_STEP = 0.25
# Values elsewhere: evenly in space, and evenly in what was seen.
_N_EVEN, _N_QUANTILES = 16, 24
# Deviations that the values go beyond what was seen.
_MARGIN = 2.0
# Columns of so few values, each of which repeats, are replaced by these alone.
_FEW_VALUES = 32
# Rows that the density scores at once.
_MAX_ROWS = 2**15
# Share of a column's variance that is taken to be its own.
_OWN_VARIANCE = 1e-4
# Distance of the quartiles of a normal column in deviations.
_NORMAL_IQR = 1.349


@dataclass(frozen=True)
class ConditionalEffects:
    """Typical values of every column, and what a density thinks of rows with these put in.

    Parameters
    ----------
    columns : list of _Axis or _Levels
        What replaces the values of each column.
    numeric : ndarray of int
        Which columns hold numbers.
    location : ndarray of shape (n_numeric,)
        Mean of these.
    """

    columns: list[_Axis | _Levels]
    numeric: np.ndarray
    location: np.ndarray

    @classmethod
    def of(cls, X) -> ConditionalEffects:
        """Typical values of the columns of rows, an array or a DataFrame."""
        given = [_column(X, j) for j in range(X.shape[1])]
        numbers = [_numbers(column) for column in given]
        numeric = np.array([j for j, x in enumerate(numbers) if x is not None], dtype=int)
        matrix = np.column_stack([numbers[j] for j in numeric]) if numeric.size else None
        location, coefficients, deviation = _regressions(matrix)
        columns = [_Levels(_distinct(column)) for column in given]
        for i, j in enumerate(numeric):
            x = matrix[np.isfinite(matrix[:, i]), i]
            if not _is_counted(x):
                columns[j] = _Axis.of(x, location[i], coefficients[i], deviation[i])
        return cls(columns, numeric, location)

    def __call__(self, X, log_density) -> np.ndarray:
        """Surprise of each value given the others, beyond what is expected of such a value.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        log_density : callable
            Log density, nats, of several copies of each row, those of one next to each other:
            ``log_density(copies, rows)`` knows by the rows what the copies were made from.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            ``E[log p(v | others)] - log p(value | others)`` in nats, the expectation over values
            ``v`` drawn from ``p(v | others)``; 0 where there is no value, or none is possible.
        """
        observed = log_density(X, X)
        centred = self._centred(X)
        effects = [self._effect(X, j, observed, centred, log_density) for j in range(X.shape[1])]
        return np.column_stack(effects)

    def _centred(self, X):
        """Distance of the numbers of rows from their means, 0 where one is missing."""
        numbers = np.empty((len(X), len(self.numeric)))
        for i, j in enumerate(self.numeric):
            numbers[:, i] = _to_float(_column(X, j))
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
        blameless = np.isneginf(expected) | _missing(_column(X, j))
        with np.errstate(invalid="ignore"):
            return np.where(blameless, 0.0, expected - observed)


@dataclass(frozen=True)
class _Axis:
    """Values of a column of numbers: around what the others say, and wherever some were seen.

    Parameters
    ----------
    seen : ndarray of shape (k,)
        Values over all of the column, in order.
    location : float
        Mean of the column.
    coefficients : ndarray of shape (n_numeric,)
        Its regression on all columns of numbers, 0 on itself.
    step : float
        Distance of the values around what these say.
    whole : bool
        Whether there are none between whole numbers.
    """

    seen: np.ndarray
    location: float
    coefficients: np.ndarray
    step: float
    whole: bool

    @classmethod
    def of(cls, x, location, coefficients, deviation):
        margin = _MARGIN * x.std()
        even = np.linspace(x.min() - margin, x.max() + margin, _N_EVEN)
        seen = np.sort(np.append(even, np.quantile(x, np.linspace(0, 1, _N_QUANTILES))))
        whole = bool((np.rint(x) == x).all())
        if whole:
            return cls(np.rint(seen), location, coefficients, np.ceil(_STEP * deviation), whole)
        return cls(seen, location, coefficients, _STEP * deviation, whole)

    @property
    def n_values(self) -> int:
        return len(self.seen) + len(_STEPS)

    def candidates(self, centred):
        """Values for some rows, and the length of the axis that each stands for."""
        # A product of matrices would differ in the last bits with the number of rows.
        expected = self.location + (centred * self.coefficients).sum(1, keepdims=True)
        if self.whole:
            expected = np.rint(expected)
        around = expected + self.step * _STEPS
        # Even steps integrate a normal density exactly, so that others must keep out of them.
        low, high = around[:, :1], around[:, -1:]
        nearer = np.where(self.seen < expected, low, high)
        inside = (self.seen > low) & (self.seen < high)
        values = np.sort(np.hstack([around, np.where(inside, nearer, self.seen)]), axis=1)
        gaps = 0.5 * np.diff(values, axis=1)
        return values.ravel(), np.pad(gaps, ((0, 0), (1, 0))) + np.pad(gaps, ((0, 0), (0, 1)))


@dataclass(frozen=True)
class _Levels:
    """The values of a column that has but some.

    Parameters
    ----------
    values : ndarray or Series
        Each once.
    """

    values: Any

    @property
    def n_values(self) -> int:
        return len(self.values)

    def candidates(self, centred):
        """Each value for each row, and how much it counts."""
        index = np.tile(np.arange(self.n_values), len(centred))
        weights = np.ones((len(centred), self.n_values))
        if hasattr(self.values, "iloc"):
            return self.values.iloc[index].reset_index(drop=True), weights
        return self.values[index], weights


def _expected_log_density(log_density, weights):
    """Mean log density over values in proportion to their density."""
    with np.errstate(divide="ignore"):
        log_mass = log_density + np.log(weights)
    total = logsumexp(log_mass, axis=1, keepdims=True)
    possible = np.isfinite(total[:, 0])
    share = np.exp(log_mass - np.where(possible[:, None], total, 0.0))
    # x log y is zero where x is, whatever the density there.
    contribution = share * np.where(share > 0, log_density, 0.0)
    return np.where(possible, contribution.sum(1), -np.inf)


def _replaced(X, j, values, n_values):
    """Each row once for each of its values of column j."""
    if hasattr(X, "iloc"):
        repeated = X.iloc[np.repeat(np.arange(len(X)), n_values)].reset_index(drop=True)
        repeated.isetitem(j, values)
        return repeated
    values = np.asarray(values)
    repeated = np.repeat(X, n_values, axis=0)
    repeated = repeated.astype(np.result_type(repeated, values), copy=False)
    repeated[:, j] = values
    return repeated


def is_missing(X) -> np.ndarray:
    """Where an array or DataFrame has no value, shape (n_samples, n_features)."""
    return np.column_stack([_missing(_column(X, j)) for j in range(X.shape[1])])


def _column(X, j):
    return X.iloc[:, j] if hasattr(X, "iloc") else X[:, j]


def _numbers(column):
    """A column in float64, None if it holds anything but numbers."""
    if getattr(column.dtype, "kind", "O") in "iuf":
        return _to_float(column)
    present = column[~_missing(column)]
    if column.dtype != object or not all(_is_number(value) for value in present):
        return None
    return _to_float(column)


def _to_float(column):
    if hasattr(column, "iloc"):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.astype(np.float64)


def _is_number(value) -> bool:
    return isinstance(value, Number) and not isinstance(value, (bool, np.bool_))


def _missing(column):
    """Where a column has no value."""
    if hasattr(column, "iloc"):
        return column.isna().to_numpy()
    if column.dtype == object:
        return np.array([is_missing_value(value) for value in column], dtype=bool)
    return column != column


def _distinct(column):
    """Each value of a column once, without those that are missing."""
    present = column[~_missing(column)]
    if hasattr(column, "iloc"):
        return present.drop_duplicates()
    if column.dtype != object:
        return np.unique(present)
    return np.array(list(dict.fromkeys(present)), dtype=object)


def _is_counted(x) -> bool:
    """Whether a column of numbers has but some values."""
    n_distinct = len(np.unique(x))
    return n_distinct < 2 or n_distinct <= min(_FEW_VALUES, len(x) / 2)


def _regressions(X):
    """Mean of each column, its regression on the others, and its deviation given these."""
    if X is None:
        return (np.empty(0),) * 3
    complete = X[np.isfinite(X).all(1)]
    d = X.shape[1]
    location, coefficients, own = np.zeros(d), np.zeros((d, d)), np.zeros(d)
    if not len(complete):
        return location, coefficients, own
    location, deviation, constant = moments(complete)
    varying = np.flatnonzero(~constant & np.isfinite(deviation))
    if varying.size:
        scaled = (complete[:, varying] - location[varying]) / deviation[varying]
        correlation = np.atleast_2d(np.corrcoef(scaled, rowvar=False))
        precision = np.linalg.inv(correlation + _OWN_VARIANCE * np.eye(varying.size))
        slopes = -precision / np.diag(precision)[:, None]
        np.fill_diagonal(slopes, 0.0)
        scale = deviation[varying]
        coefficients[np.ix_(varying, varying)] = slopes * scale[:, None] / scale
        own[varying] = np.minimum(scale, _spread(complete[:, varying])) / np.sqrt(
            np.diag(precision)
        )
    return location, coefficients, own


def _spread(X):
    """Deviation of columns as their quartiles tell it, which a few values far off do not."""
    low, high = np.quantile(X, [0.25, 0.75], axis=0)
    return np.where(high > low, (high - low) / _NORMAL_IQR, np.inf)

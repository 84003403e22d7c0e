"""Values of a column that may replace its own: which they are, and which of them are typical."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Number
from typing import Any, NamedTuple

import numpy as np

from ..validation import as_floats, container_of, distinct_values, missing_in, pick
from ._regressions import Regressions
from ._units import Dates, Numbers

# Values to either side of the prediction from the other columns, which reach so many standard
# deviations of the residual far; and where few values are to do.
_N_STEPS, _N_FEW_STEPS, _REACH = 24, 12, 6.0
# Differences of values up to this are numbers.
_LARGEST = np.finfo(np.float64).max / 100
# Values elsewhere: evenly spaced, and at quantiles of those seen.
_N_EVEN, _N_QUANTILES = 16, 24
# How far the values go beyond those seen, in standard deviations.
_MARGIN = 2.0
# A column of at most so many values, which repeat, is replaced by these values alone.
_FEW_VALUES = 32
# Shares below and above the interval of typical numbers.
_LOW, _HIGH = 0.05, 0.95
# Shares that differ by less are the same.
_ROUNDING = 1e-9


class Typical(NamedTuple):
    """What is typical of a column, given the others of each row.

    Parameters
    ----------
    value : ndarray or Series of shape (n,)
        The median of numbers and dates, else the likeliest value.
    low, high : ndarray of shape (n,)
        Between which numbers or dates lie with a probability of 0.9; NaN for others.
    probability : ndarray of shape (n,)
        Of the likeliest value, where a column has few; NaN where it has a density.
    """

    value: Any
    low: np.ndarray
    high: np.ndarray
    probability: np.ndarray


@dataclass(frozen=True)
class Axis:
    """Values of a column of numbers or dates: around the prediction, and over its range.

    The prediction is that from the other columns.

    Parameters
    ----------
    seen : ndarray of shape (k,)
        Values over the range of the column, in order.
    location : float
        Mean of the column.
    coefficients : ndarray of shape (n_numeric,)
        Its regression on all columns of numbers, 0 on itself.
    scale : float
        Standard deviation of its residual.
    whole : bool
        Whether all its values are whole numbers.
    units : Numbers or Dates
        What the numbers of this axis stand for.
    n_steps : int, default=24
        Number of values to either side of the prediction.
    """

    seen: np.ndarray
    location: float
    coefficients: np.ndarray
    scale: float
    whole: bool
    units: Numbers | Dates
    n_steps: int = _N_STEPS

    @classmethod
    def of(cls, x, location, coefficients, scale, units):
        """The values of a column x whose residual has the standard deviation `scale`."""
        # Squares, and distances of the ends, may overflow.
        x = np.clip(x, -_LARGEST, _LARGEST)
        size = np.abs(x).max() or 1.0
        margin = _MARGIN * (x / size).std() * size
        ends = np.clip([x.min() - margin, x.max() + margin], -_LARGEST, _LARGEST)
        even = np.linspace(*ends, _N_EVEN)
        seen = np.sort(np.append(even, np.quantile(x, np.linspace(0, 1, _N_QUANTILES))))
        whole = bool((np.rint(x) == x).all())
        if whole:
            seen = np.rint(seen)
        return cls(seen, location, coefficients, scale, whole, units)

    @property
    def dtype(self) -> np.dtype:
        """Of the ends of an interval of its values."""
        return self.units.dtype

    @property
    def n_values(self) -> int:
        return len(self.seen) + 2 * self.n_steps + 1

    @property
    def step(self) -> float:
        """Distance between the values around the prediction."""
        step = _REACH / self.n_steps * self.scale
        return float(np.ceil(step)) if self.whole else step

    def given(self, coefficients, scale) -> Axis:
        """About half as many values, by a regression on fewer columns."""
        few = np.append(self.seen[::2], self.seen[-1])
        return replace(self, seen=few, coefficients=coefficients, scale=scale, n_steps=_N_FEW_STEPS)

    def candidates(self, centred):
        """Values for some rows, flat, and the length that each stands for, (n, n_values)."""
        # A product of matrices would differ in the last bits with the number of rows.
        expected = self.location + (centred * self.coefficients).sum(1, keepdims=True)
        if self.whole:
            expected = np.rint(expected)
        around = expected + self.step * np.arange(-self.n_steps, self.n_steps + 1)
        # Even steps integrate a normal density exactly, so no other value may lie among them.
        low, high = around[:, :1], around[:, -1:]
        nearer = np.where(self.seen < expected, low, high)
        inside = (self.seen > low) & (self.seen < high)
        values = np.sort(np.hstack([around, np.where(inside, nearer, self.seen)]), axis=1)
        gaps = 0.5 * np.diff(values, axis=1)
        weights = np.pad(gaps, ((0, 0), (1, 0))) + np.pad(gaps, ((0, 0), (0, 1)))
        flat = values.ravel()
        weights *= self.units.can_hold(flat).reshape(weights.shape)
        return self.units.values(flat), weights

    def typical(self, values, shares) -> Typical:
        """What is typical, by the probability (n, n_values) of each of these values."""
        values = self.units.numbers(values).reshape(shares.shape)
        middles = 0.5 * (values[:, 1:] + values[:, :-1])
        edges = np.hstack([values[:, :1], middles, values[:, -1:]])
        # Surroundings of what is possible may reach to what is not, beyond a bound.
        is_possible = (shares > 0) | ~(shares > 0).any(1, keepdims=True)
        ends = (
            np.where(is_possible, values, np.inf).min(1),
            np.where(is_possible, values, -np.inf).max(1),
        )
        low, median, high = (
            self.units.objects(np.clip(self._quantile(edges, shares, share), *ends))
            for share in (_LOW, 0.5, _HIGH)
        )
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

    dtype = np.dtype(np.float64)

    @classmethod
    def of(cls, column):
        """The values of a column of an array or of a DataFrame."""
        values = distinct_values(column)
        return cls(values, numbers_of(values))

    @classmethod
    def none(cls):
        """No value at all."""
        return cls(np.empty(0, dtype=object), None)

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


@dataclass(frozen=True)
class ColumnValues:
    """What replaces the values of each column.

    Parameters
    ----------
    columns : list of Axis or Levels
        One for each column.
    numeric : ndarray of int of shape (n_numeric,)
        Positions of the columns that hold numbers or dates.
    units : list of Numbers or Dates
        Of these.
    regressions : Regressions
        Of these, too.
    """

    columns: list[Axis | Levels]
    numeric: np.ndarray
    units: list[Numbers | Dates]
    regressions: Regressions

    @classmethod
    def of(cls, X, is_left_out=None) -> ColumnValues:
        """Learn from training rows, an array or a DataFrame.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            The rows.
        is_left_out : ndarray of bool of shape (n_features,), default=None
            Columns that nothing replaces; None for no column.
        """
        given = container_of(X).columns()
        if is_left_out is None:
            is_left_out = np.zeros(len(given), dtype=bool)
        pairs = list(zip(given, is_left_out, strict=True))
        units = [None if left_out else _units_of(column) for column, left_out in pairs]
        numeric = np.array([j for j, unit in enumerate(units) if unit is not None], dtype=int)
        numbers = [units[j].numbers(given[j]) for j in numeric]
        matrix = np.array(numbers).reshape(len(numeric), len(X)).T
        regressions = Regressions.of(matrix)
        coefficients, scale = regressions.on(np.ones(len(numeric), dtype=bool))
        columns = [Levels.none() if left_out else Levels.of(column) for column, left_out in pairs]
        for i, j in enumerate(numeric):
            x = matrix[np.isfinite(matrix[:, i]), i]
            if not _is_counted(x):
                columns[j] = Axis.of(
                    x, regressions.location[i], coefficients[i], scale[i], units[j]
                )
        return cls(columns, numeric, [units[j] for j in numeric], regressions)

    @property
    def dtype(self) -> np.dtype:
        """Of an array for the ends of intervals of all columns: object where some hold dates."""
        return np.result_type(*(column.dtype for column in self.columns))

    @property
    def is_left_out(self) -> np.ndarray:
        """Which columns nothing replaces."""
        return np.array([column.n_values == 0 for column in self.columns])

    def given(self, missing) -> ColumnValues:
        """For rows in which some columns (n_features,) are missing: about half as many."""
        coefficients, scale = self.regressions.on(~missing[self.numeric])
        columns = list(self.columns)
        for i, j in enumerate(self.numeric):
            if isinstance(columns[j], Axis):
                columns[j] = columns[j].given(coefficients[i], scale[i])
        return replace(self, columns=columns)

    def centred(self, X) -> np.ndarray:
        """Numbers of rows minus the means of their columns, 0 where one is missing."""
        numbers = np.empty((len(X), len(self.numeric)))
        for i, (j, units) in enumerate(zip(self.numeric, self.units, strict=True)):
            numbers[:, i] = units.numbers(container_of(X).column(j))
        return np.nan_to_num(numbers - self.regressions.location, posinf=0.0, neginf=0.0)


def numbers_of(column):
    """A column in float64, NaN where it has no value; None if it holds anything but numbers."""
    if getattr(column.dtype, "kind", "O") in "iuf":
        return as_floats(column)
    present = column[~missing_in(column)]
    if column.dtype != object or not all(_is_number(value) for value in present):
        return None
    return as_floats(column)


def _units_of(column):
    """What turns a column into numbers, None if it holds anything but numbers or dates."""
    return Dates.of(column) if numbers_of(column) is None else Numbers()


def _is_number(value) -> bool:
    # To numpy a length of time is a whole number.
    return isinstance(value, Number) and not isinstance(value, (bool, np.bool_, np.timedelta64))


def _is_counted(x) -> bool:
    """Whether a column of numbers has so few values that all can be tried."""
    n_distinct = len(np.unique(x))
    return n_distinct < 2 or n_distinct <= min(_FEW_VALUES, len(x) / 2)

"""What is strange about rows, in the units of their columns."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np

from .._optional import require
from ..exceptions import InvalidParameterError
from ..validation import as_objects, container_of, is_missing_value
from ._conditional_effects import is_missing
from ._printing import precision_of, probability_shown, shown_value


@dataclass(frozen=True, eq=False)
class Reasons:
    """The columns that make rows surprising, and what would have been typical there.

    Printed, it is a report: a line for each column, under the name of its row. Columns are in the
    order of their effects, the most surprising one first; those without a value come last, and then
    those that the detector does not look at, such as a running index.

    Parameters
    ----------
    rows : sequence of length n_samples
        Labels of the rows.
    columns : ndarray of object of shape (n_samples, n_columns)
        Names of the columns.
    values : ndarray of object of shape (n_samples, n_columns)
        Values of the rows.
    typical : ndarray of object of shape (n_samples, n_columns)
        What is typical given the other columns, in the units of the column: the median of numbers
        and dates; where a column has few values, the likeliest of them. None where the value is
        missing, or no other one makes the row possible.
    low, high : ndarray of shape (n_samples, n_columns)
        5 % and 95 % quantiles of numbers and dates given the other columns; NaN for others. Arrays
        of objects where a column holds dates.
    probability : ndarray of shape (n_samples, n_columns)
        Of the likeliest value, given the other columns, where a column has few; NaN elsewhere.
    effects : ndarray of shape (n_samples, n_columns)
        Effects in nats, as `DensityOutlierDetector.explain` returns them; infinite where a value
        makes the row impossible.
    is_left_out : ndarray of bool of shape (n_samples, n_columns)
        Whether the detector does not look at the column, whose effect is 0 then.
    """

    rows: object = field(repr=False)
    columns: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    typical: np.ndarray = field(repr=False)
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    probability: np.ndarray = field(repr=False)
    effects: np.ndarray = field(repr=False)
    is_left_out: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, X, account, names, n_columns, labels) -> Reasons:
        """The first columns of an account of rows.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            The rows.
        account : Account
            What is said of them.
        names : list
            Names of the columns.
        n_columns : int or None
            How many columns of each row, but none that is left out; None for all.
        labels : sequence of length n_samples
            Labels of the rows.
        """
        left_out = account.is_left_out
        order = np.lexsort((-account.effects, is_missing(X), left_out), axis=1)
        if n_columns is not None:
            n_looked_at = (~left_out).sum(1).max(initial=0)
            order = order[:, : min(n_columns, max(n_looked_at, 1))]
        values = np.empty(X.shape, dtype=object)
        for j, column in enumerate(container_of(X).columns()):
            values[:, j] = as_objects(column)
        # Names may be tuples, which an array would take for rows.
        named = np.empty(len(names), dtype=object)
        named[:] = names
        told = values, account.typical, account.low, account.high, account.probability
        told = *told, account.effects, left_out
        picked = (np.take_along_axis(x, order, axis=1) for x in told)
        return cls(labels, named[order], *picked)

    def __len__(self) -> int:
        return len(self.columns)

    def __str__(self) -> str:
        told = zip(self.rows, self.lines(), strict=True)
        return "\n".join("\n    ".join([f"row {row}", *lines]) for row, lines in told)

    def lines(self, least: float = -np.inf) -> list[list[str]]:
        """The columns of each row in words, without the name of the row.

        Parameters
        ----------
        least : float, default=-inf
            Columns of smaller effects, in nats, are left out.

        Returns
        -------
        list of list of str
            Of each row a text for each column, the most surprising one first.
        """
        precisions = self._precisions()
        return [
            [
                self._line(i, j, precisions[name])
                for j, name in enumerate(self.columns[i])
                if self.effects[i, j] >= least
            ]
            for i in range(len(self))
        ]

    def _precisions(self):
        """How fine the dates of each column are."""
        told = self.values, self.typical, self.low, self.high
        values = defaultdict(list)
        for name, *of_one in zip(self.columns.flat, *(x.flat for x in told), strict=True):
            values[name].extend(of_one)
        return {name: precision_of(of_column) for name, of_column in values.items()}

    def _line(self, i, j, precision):
        def text(value):
            return shown_value(value, precision)

        value, typical, effect = self.values[i, j], self.typical[i, j], self.effects[i, j]
        if is_missing_value(value):
            return f"{self.columns[i, j]} is missing"
        line = f"{self.columns[i, j]} = {text(value)}"
        if self.is_left_out[i, j]:
            return f"{line}, not looked at"
        if typical is not None:
            share = self.probability[i, j]
            if np.isnan(share):
                expected = _as_fine_as_known(typical, self.low[i, j], self.high[i, j])
                middle, low, high = map(text, expected)
                line += f", typical {middle} ({low} to {high})"
            else:
                line += f", typical {text(typical)} ({probability_shown(share)})"
        return f"{line}: {'impossible' if np.isposinf(effect) else f'{effect:+.1f} nats'}"

    def to_frame(self):
        """The reasons as a table.

        Returns
        -------
        DataFrame
            Of pandas, with a line for each column of each row: row, column, value, typical, low,
            high, probability and effect.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        pd = require("pandas", "Reasons.to_frame", "use the arrays of the reasons")
        names = ("column", "value", "typical", "low", "high", "probability", "effect")
        arrays = (
            *(self.columns, self.values, self.typical),
            *(self.low, self.high, self.probability, self.effects),
        )
        rows = [row for row in self.rows for _ in range(self.columns.shape[1])]
        table = {name: array.ravel() for name, array in zip(names, arrays, strict=True)}
        return pd.DataFrame({"row": rows, **table})


def _as_fine_as_known(typical, low, high):
    """A number and its interval, rounded to two digits of the width of the interval."""
    if not all(isinstance(x, float | np.floating) and np.isfinite(x) for x in (typical, low, high)):
        return typical, low, high
    if high <= low:
        return typical, low, high
    n_decimals = 1 - math.floor(math.log10(high - low))
    return tuple(round(float(x), n_decimals) for x in (typical, low, high))


def check_n_columns(n_columns):
    """How many columns of each row to tell of.

    Raises
    ------
    InvalidParameterError
        If it is neither None nor an int of at least 1.
    """
    wrong = not isinstance(n_columns, Integral) or isinstance(n_columns, bool) or n_columns < 1
    if n_columns is not None and wrong:
        raise InvalidParameterError(
            f"n_columns must be an int of at least 1, or None for all columns, got {n_columns!r}."
        )

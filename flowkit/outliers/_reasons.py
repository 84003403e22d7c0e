"""What is strange about rows, in the units of their columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral, Number

import numpy as np

from .._optional import require
from ..exceptions import InvalidParameterError
from ..validation import container_of, is_missing_value
from ._conditional_effects import is_missing


@dataclass(frozen=True, eq=False)
class Reasons:
    """The columns that make rows surprising, and what would have been typical there.

    Printed, it is a report: a line for each column, under the name of its row. Columns are in the
    order of their effects, the most surprising one first; those without a value come last.

    Parameters
    ----------
    rows : sequence of length n_samples
        Labels of the rows.
    columns : ndarray of object of shape (n_samples, n_columns)
        Names of the columns.
    values : ndarray of object of shape (n_samples, n_columns)
        Values of the rows.
    typical : ndarray of object of shape (n_samples, n_columns)
        What is typical given the other columns, in the units of the column: the median of numbers;
        where a column has few values, the likeliest of them. None where the value is missing, or
        no other one makes the row possible.
    low, high : ndarray of shape (n_samples, n_columns)
        5 % and 95 % quantiles of numbers given the other columns; NaN for others.
    probability : ndarray of shape (n_samples, n_columns)
        Of the likeliest value, given the other columns, where a column has few; NaN elsewhere.
    effects : ndarray of shape (n_samples, n_columns)
        Effects in nats, as `DensityOutlierDetector.explain` returns them; infinite where a value
        makes the row impossible.
    """

    rows: object = field(repr=False)
    columns: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    typical: np.ndarray = field(repr=False)
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    probability: np.ndarray = field(repr=False)
    effects: np.ndarray = field(repr=False)

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
            How many columns of each row; None for all.
        labels : sequence of length n_samples
            Labels of the rows.
        """
        keys = np.where(is_missing(X), np.inf, -account.effects)
        order = np.argsort(keys, axis=1, kind="stable")[:, :n_columns]
        values = np.empty(X.shape, dtype=object)
        for j, column in enumerate(container_of(X).columns()):
            values[:, j] = np.asarray(column, dtype=object)
        # Names may be tuples, which an array would take for rows.
        named = np.empty(len(names), dtype=object)
        named[:] = names
        told = values, account.typical, account.low, account.high, account.probability
        picked = (np.take_along_axis(x, order, axis=1) for x in (*told, account.effects))
        return cls(labels, named[order], *picked)

    def __len__(self) -> int:
        return len(self.columns)

    def __str__(self) -> str:
        lines = []
        for i, row in enumerate(self.rows):
            lines.append(f"row {row}")
            lines.extend(f"    {self._line(i, j)}" for j in range(self.columns.shape[1]))
        return "\n".join(lines)

    def _line(self, i, j):
        value, typical, effect = self.values[i, j], self.typical[i, j], self.effects[i, j]
        if is_missing_value(value):
            return f"{self.columns[i, j]} is missing"
        line = f"{self.columns[i, j]} = {_shown(value)}"
        if typical is not None:
            share = self.probability[i, j]
            around = (
                f"{_shown(self.low[i, j])} to {_shown(self.high[i, j])}"
                if np.isnan(share)
                else f"{share:.0%}"
            )
            line += f", typical {_shown(typical)} ({around})"
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


def _shown(value):
    if isinstance(value, Number) and not isinstance(value, (Integral, bool, np.bool_)):
        # Fractions have no format of their own.
        return f"{float(value):.4g}"
    return str(value)

"""Tables of mixed columns as displays need them: as numbers, and cut along some of them."""

from __future__ import annotations

from numbers import Number

import numpy as np

from ..exceptions import InvalidParameterError


class TableRows:
    """A table, some columns of which are numbers.

    Parameters
    ----------
    X : ndarray, pandas.DataFrame or polars.DataFrame of shape (n, d)
        The table.
    kinds : list of str
        What an estimator takes its columns for, as ``TableDensity.kinds_``.

    Attributes
    ----------
    numbers : ndarray of shape (n, d)
        Columns as float64, NaN where they are categories or values are missing.
    """

    def __init__(self, X, kinds):
        self.X = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
        self.kinds = kinds
        self.numbers = np.column_stack(
            [
                np.full(len(self.X), np.nan) if kind == "categorical" else _to_float(column)
                for column, kind in zip(_columns(self.X), kinds, strict=True)
            ]
        )

    def refuse_categories(self, columns, names) -> None:
        """Refuse axes along which nothing is ordered.

        Raises
        ------
        InvalidParameterError
            If one of the columns is a category.
        """
        wrong = [names[j] for j in columns if self.kinds[j] == "categorical"]
        if wrong:
            numeric = [
                name for name, kind in zip(names, self.kinds, strict=True) if kind != "categorical"
            ]
            raise InvalidParameterError(
                f"column {wrong[0]} is a category, which is no axis of a plot: choose two features "
                f"that are numbers, of which X has {numeric[:20]}; others are held at a typical "
                "value."
            )

    def on_axis(self, j: int, values: np.ndarray) -> np.ndarray:
        """Values of an axis: whole ones where the column has no others."""
        return np.unique(np.rint(values)) if self.kinds[j] == "integer" else values

    def cut(self, grid: list[np.ndarray], columns: list[int]):
        """A table in which some columns run over a grid, and all others hold a typical value.

        That is one which a row has: the lower median of numbers, the most frequent category.
        """
        n = grid[0].size
        along = {j: values.ravel() for j, values in zip(columns, grid, strict=True)}
        held = [self._typical_row(j, column) for j, column in enumerate(_columns(self.X))]
        return _build(self.X, held, along, n)

    def _typical_row(self, j, column):
        """A row that has the typical value of a column."""
        if self.kinds[j] != "categorical":
            known = np.flatnonzero(~np.isnan(self.numbers[:, j]))
            order = known[np.argsort(self.numbers[known, j], kind="stable")]
            return int(order[(len(order) - 1) // 2])
        found = {}
        for i, value in enumerate(column):
            if value is not None and value == value:
                found.setdefault(value, []).append(i)
        return max(found.values(), key=len)[0]


def _columns(X):
    if hasattr(X, "iloc"):
        return [X.iloc[:, j].to_numpy(dtype=object, na_value=None) for j in range(X.shape[1])]
    if hasattr(X, "get_columns"):
        return [series.to_list() for series in X.get_columns()]
    return list(X.T)


def _to_float(column):
    return np.array([float(v) if isinstance(v, Number) else np.nan for v in column])


def _build(X, held, along, n):
    if hasattr(X, "iloc"):
        table = X.iloc[np.zeros(n, dtype=int)].reset_index(drop=True)
        for j, row in enumerate(held):
            kept = X.iloc[np.full(n, row), j].reset_index(drop=True)
            table.isetitem(j, along.get(j, kept))
        return table
    if hasattr(X, "get_columns"):
        return type(X)(
            {
                series.name: along.get(j, series.gather([held[j]] * n))
                for j, series in enumerate(X.get_columns())
            }
        )
    table = np.empty((n, X.shape[1]), dtype=object if X.dtype.kind in "OUS" else np.float64)
    for j, row in enumerate(held):
        table[:, j] = along.get(j, X[row, j])
    return table

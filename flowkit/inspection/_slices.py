"""Rows as a plot over some of their columns needs them: as numbers, and cut along these columns."""

from __future__ import annotations

from numbers import Number

import numpy as np
from sklearn.utils.validation import check_array

from ..exceptions import InvalidDataError, InvalidParameterError
from ..nested import find
from ..validation import container_of, is_frame


def rows_for(estimator, X) -> Rows:
    """Rows as an estimator takes them: as a table where it has columns that are not just numbers.

    Raises
    ------
    InvalidDataError
        If the estimator was fitted on another number of features.
    """
    inside = find(estimator, "kinds_")
    kinds = getattr(inside.estimator, "kinds_", ())
    # What changes rows on the way to a table has columns of its own.
    if {"categorical", "integer"} & set(kinds) and inside.transform(X) is X:
        n_features, expected = container_of(X).shape[1], len(kinds)
        rows = TableRows(X, kinds) if n_features == expected else None
    else:
        rows = Rows(X)
        n_features = rows.numbers.shape[1]
        expected = getattr(estimator, "n_features_in_", n_features)
    if n_features != expected:
        raise InvalidDataError(
            f"X has {n_features} features, {type(estimator).__name__} was fitted on {expected}."
        )
    return rows


class Rows:
    """Rows of numbers.

    Parameters
    ----------
    X : array-like, pandas.DataFrame or polars.DataFrame of shape (n, d)
        The rows.

    Attributes
    ----------
    numbers : ndarray of shape (n, d)
        Columns as float64.
    names : list of str
        Names of the columns, "feature 0" and so on where X has none.
    """

    # Of rows that are drawn from the estimator.
    dtype: type = np.float64

    def __init__(self, X):
        self.X = X
        self.numbers = self._as_numbers()
        columns = container_of(X).labels
        if columns is None:
            columns = [f"feature {j}" for j in range(self.numbers.shape[1])]
        self.names = [str(name) for name in columns]

    def _as_numbers(self):
        return check_array(self.X, dtype=np.float64)

    def refuse_categories(self, columns) -> None:
        """Refuse axes along which nothing is ordered.

        Raises
        ------
        InvalidParameterError
            If one of the columns is a category.
        """

    def on_axis(self, j: int, values: np.ndarray) -> np.ndarray:
        """Values of an axis that a column can have."""
        return values

    def cut(self, grid: list[np.ndarray], columns: list[int]):
        """Rows whose columns run over a grid, all others being fixed at their median.

        Parameters
        ----------
        grid : list of ndarray
            Coordinates of the points, of one shape.
        columns : list of int
            Column of each coordinate.

        Returns
        -------
        ndarray or DataFrame of shape (n_points, d)
            In the container of X, so that an estimator that was fitted with names finds them.
        """
        points = np.tile(np.median(self.numbers, axis=0), (grid[0].size, 1))
        for column, values in zip(columns, grid, strict=True):
            points[:, column] = values.ravel()
        return container_of(self.X).like(points)


class TableRows(Rows):
    """A table, some columns of which are numbers.

    Parameters
    ----------
    X : array-like, pandas.DataFrame or polars.DataFrame of shape (n, d)
        The table.
    kinds : list of str
        What an estimator takes its columns for, as ``TableDensity.kinds_``.

    Attributes
    ----------
    numbers : ndarray of shape (n, d)
        Columns as float64, NaN where they are categories or values are missing.
    names : list of str
        As of `Rows`.
    """

    # Beside numbers there are levels.
    dtype = object

    def __init__(self, X, kinds):
        self.kinds = kinds
        super().__init__(X if container_of(X).is_typed or is_frame(X) else np.asarray(X, object))

    def _as_numbers(self):
        return np.column_stack(
            [
                np.full(len(self.X), np.nan) if kind == "categorical" else _to_float(column)
                for column, kind in zip(container_of(self.X).objects(), self.kinds, strict=True)
            ]
        )

    def refuse_categories(self, columns) -> None:
        wrong = [self.names[j] for j in columns if self.kinds[j] == "categorical"]
        if wrong:
            numeric = [
                name
                for name, kind in zip(self.names, self.kinds, strict=True)
                if kind != "categorical"
            ]
            raise InvalidParameterError(
                f"column {wrong[0]} is a category, which is no axis of a plot: choose two features "
                f"that are numbers, of which X has {numeric[:20]}; others are fixed at a typical "
                "value."
            )

    def on_axis(self, j, values):
        return np.unique(np.rint(values)) if self.kinds[j] == "integer" else values

    def cut(self, grid, columns):
        """As of `Rows`, but others hold a value of some row: the lower median, or the mode."""
        n = grid[0].size
        along = {j: values.ravel() for j, values in zip(columns, grid, strict=True)}
        columns = container_of(self.X).objects()
        held = [self._typical_row(j, column) for j, column in enumerate(columns)]
        return container_of(self.X).take(np.tile(held, (n, 1)), along)

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


def _to_float(column):
    return np.array([float(v) if isinstance(v, Number) else np.nan for v in column])

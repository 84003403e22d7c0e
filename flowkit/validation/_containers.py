"""What holds rows: arrays, sparse matrices, tables of pandas and of polars.

Other rooms ask it instead of telling containers apart. A new container is a class here and a line
in `_CONTAINERS`; `TableDensity` reads and rebuilds the types of its columns by the name of the
class. Neither pandas nor polars is imported: a table brings its library along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from .._optional import require
from ._values import is_missing_value

# Kinds of dtypes that hold numbers or booleans.
_NUMBERS = "iufbc"


class Container:
    """Rows in the container that they were given in: this base class is for arrays and lists.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The rows.
    """

    name = "array"
    # Whether each column has a type of its own.
    is_frame = False
    is_sparse = False

    def __init__(self, X):
        self.X = X

    @classmethod
    def holds(cls, X) -> bool:
        """Whether X is of this container."""
        return True

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the rows."""
        return tuple(self.X.shape) if hasattr(self.X, "shape") else np.shape(self.X)

    @property
    def is_typed(self) -> bool:
        """Whether the values have a type already, as in arrays, or still get one, as in lists."""
        return hasattr(self.X, "dtype") or hasattr(self.X, "__array__")

    @property
    def labels(self) -> list | None:
        """Labels of the columns, None where they have none."""
        return None

    @property
    def own_labels(self):
        """Labels of the columns as the container keeps them, for another of its kind."""
        return self.labels

    @property
    def row_labels(self) -> Sequence:
        """Labels of the rows, their positions where they have none."""
        return range(self.shape[0])

    def columns(self) -> list:
        """Columns, each in its own type."""
        return list(np.asarray(self.X).T)

    def column(self, j: int):
        """One column, in its own type."""
        return self.X[:, j]

    def objects(self) -> list[Sequence]:
        """Columns as objects, None where a table has no value."""
        return self.columns()

    def columns_of_other_types(self) -> Iterator[tuple[int, Sequence]]:
        """Positions and values of the columns whose type is not one of numbers."""
        try:
            values = np.asarray(self.X)
        except Exception:
            # Ragged rows, and others that make no array, have an error of their own.
            return
        if values.ndim == 2 and values.dtype.kind not in _NUMBERS:
            # As objects, datetimes would become whole numbers.
            parts = list if values.dtype.kind in "mM" else np.ndarray.tolist
            for j, column in enumerate(values.T):
                yield j, parts(column)

    def with_positions(self):
        """The rows with positions for labels of their columns."""
        return self.X

    def like(self, rows: np.ndarray):
        """An array of rows, in this container and with its labels of columns."""
        return rows

    def take(self, index: np.ndarray, columns: Mapping[int, Any]):
        """Rows by their positions, under new labels, with other columns in place of some.

        Parameters
        ----------
        index : ndarray of shape (n,) or (n, n_features)
            Positions of rows, for all columns at once or for each.
        columns : mapping of int to array-like of shape (n,)
            Columns that take the place of those at some positions.
        """
        rows = self.X[index] if index.ndim == 1 else np.take_along_axis(self.X, index, axis=0)
        columns = {j: np.asarray(column) for j, column in columns.items()}
        rows = rows.astype(np.result_type(rows, *columns.values()), copy=False)
        for j, column in columns.items():
            rows[:, j] = column
        return rows

    def without(self, columns: Sequence[int]):
        """A copy in which all values of some columns are missing."""
        rows = self.X.copy()
        rows[:, columns] = "NaT" if rows.dtype.kind in "mM" else np.nan
        return rows

    def filled(self, values: Mapping[int, tuple[np.ndarray, np.ndarray]]):
        """A copy with other values in some places, under the same labels and in the same types.

        Parameters
        ----------
        values : mapping of int to tuple of ndarray
            For some columns, the positions of rows and the values there; those of columns of whole
            numbers are rounded.
        """
        rows = self.X.copy()
        for j, (where, column) in values.items():
            rows[where, j] = column
        return rows

    def beside(self, columns: np.ndarray, names: Sequence[str]):
        """The rows with columns of numbers to their right."""
        return np.concatenate([self.X, columns.astype(np.result_type(self.X, np.float32))], 1)

    def missing(self) -> np.ndarray:
        """Where there is no value, shape (n_samples, n_features)."""
        return np.column_stack([missing_in(column) for column in self.columns()])

    def join(self, rows):
        """The rows, with others of the same container below them, under new labels of rows."""
        return np.concatenate([self.X, rows])

    def to_dense(self):
        """The rows without a container that leaves out zeros."""
        return self.X

    def to_pandas_or_array(self):
        """The rows in a container that all densities of scikit-learn know."""
        return self.X

    def to_array(self) -> np.ndarray:
        """The rows as one array, of objects if columns are of several types."""
        return np.asarray(self.X)


class SparseMatrix(Container):
    """A sparse matrix or array of scipy, whose values are numbers."""

    name = "sparse"
    is_sparse = True

    @classmethod
    def holds(cls, X) -> bool:
        return sparse.issparse(X)

    def columns_of_other_types(self):
        return iter(())

    def join(self, rows):
        # Older versions of scipy make a matrix of arrays.
        return type(self.X)(sparse.vstack([self.X, rows], format=self.X.format))

    def to_dense(self):
        return self.X.toarray()


class PandasTable(Container):
    """A DataFrame of pandas."""

    name = "pandas"
    is_frame = True

    @classmethod
    def holds(cls, X) -> bool:
        return hasattr(X, "iloc") and getattr(X, "ndim", 0) == 2

    @property
    def labels(self) -> list:
        return list(self.X.columns)

    @property
    def own_labels(self):
        return self.X.columns

    @property
    def row_labels(self) -> Sequence:
        return self.X.index

    def columns(self):
        return [self.column(j) for j in range(self.X.shape[1])]

    def column(self, j):
        return self.X.iloc[:, j]

    def objects(self):
        return [series.to_numpy(dtype=object, na_value=None) for series in self.columns()]

    def columns_of_other_types(self):
        for j, dtype in enumerate(self.X.dtypes):
            if getattr(dtype, "kind", "O") not in _NUMBERS:
                yield j, self.column(j).to_numpy(dtype=object)

    def with_positions(self):
        return self.X.set_axis(range(self.X.shape[1]), axis=1)

    def like(self, rows):
        return type(self.X)(rows, columns=self.X.columns)

    def take(self, index, columns):
        first = index if index.ndim == 1 else index[:, 0]
        rows = self.X.iloc[first].reset_index(drop=True)
        for j in range(self.X.shape[1]):
            if j in columns:
                rows.isetitem(j, columns[j])
            elif index.ndim > 1:
                rows.isetitem(j, self.column(j).iloc[index[:, j]].reset_index(drop=True))
        return rows

    def without(self, columns):
        rows = self.X.copy()
        for j in columns:
            rows.isetitem(j, self.column(j).where(np.zeros(len(rows), dtype=bool)))
        return rows

    def filled(self, values):
        rows = self.X.copy()
        for j, (where, column) in values.items():
            series = self.column(j).copy()
            series.iloc[where] = _of_type(column, series.dtype)
            rows.isetitem(j, series)
        return rows

    def beside(self, columns, names):
        pandas = require("pandas", "columns beside a table", "give arrays")
        others = pandas.DataFrame(columns, columns=names, index=self.X.index)
        return pandas.concat([self.X, others], axis=1)

    def join(self, rows):
        pandas = require("pandas", "joining tables", "give arrays")
        return pandas.concat([self.X, rows], ignore_index=True)


class PolarsTable(Container):
    """A DataFrame of polars."""

    name = "polars"
    is_frame = True

    @classmethod
    def holds(cls, X) -> bool:
        return hasattr(X, "get_columns")

    @property
    def labels(self) -> list:
        return list(self.X.columns)

    def columns(self):
        return self.X.get_columns()

    def column(self, j):
        return self.X.get_columns()[j]

    def objects(self):
        return [series.to_list() for series in self.columns()]

    def columns_of_other_types(self):
        for j, series in enumerate(self.columns()):
            if not (series.dtype.is_numeric() or str(series.dtype) == "Boolean"):
                yield j, np.fromiter(series, dtype=object, count=len(series))

    def like(self, rows):
        return type(self.X)(rows, schema=self.labels, orient="row")

    def take(self, index, columns):
        index = index if index.ndim > 1 else np.repeat(index[:, None], self.X.shape[1], axis=1)
        series = enumerate(self.columns())
        return type(self.X)({s.name: columns.get(j, s.gather(index[:, j])) for j, s in series})

    def without(self, columns):
        series = enumerate(self.columns())
        return self.X.with_columns(s.clear(len(s)) for j, s in series if j in columns)

    def filled(self, values):
        columns = dict(enumerate(self.columns()))
        for j, (where, column) in values.items():
            series = columns[j]
            entries = np.fromiter(series, dtype=object, count=len(series))
            entries[where] = _of_type(column, series.dtype)
            # A column that holds nothing has no type.
            dtype = None if str(series.dtype) == "Null" else series.dtype
            columns[j] = type(series)(series.name, entries.tolist(), dtype=dtype)
        return self.X.with_columns(columns.values())

    def beside(self, columns, names):
        series = type(self.X.to_series(0))
        others = zip(names, columns.T, strict=True)
        return self.X.with_columns(series(name, column) for name, column in others)

    def missing(self):
        return np.column_stack([[is_missing_value(v) for v in part] for part in self.objects()])

    def join(self, rows):
        return self.X.vstack(rows)

    def to_pandas_or_array(self):
        pandas = require("pandas", "reading polars tables", "give an array")
        return pandas.DataFrame({series.name: series.to_list() for series in self.columns()})


# The first that holds rows is theirs; anything else is, or becomes, an array.
_CONTAINERS = (PolarsTable, PandasTable, SparseMatrix, Container)


def container_of(X) -> Container:
    """The rows with what their container can do."""
    # By far the most common.
    if type(X) is np.ndarray:
        return Container(X)
    return next(kind for kind in _CONTAINERS if kind.holds(X))(X)


def is_frame(X) -> bool:
    """Whether the columns of X have types of their own."""
    return container_of(X).is_frame


def is_sparse(X) -> bool:
    """Whether X leaves out zeros."""
    return container_of(X).is_sparse


def _is_series(column) -> bool:
    return hasattr(column, "iloc")


def missing_in(column) -> np.ndarray:
    """Where a column of a container has no value.

    Parameters
    ----------
    column : ndarray or pandas.Series of shape (n,)
        The column.
    """
    if _is_series(column):
        return column.isna().to_numpy()
    if column.dtype == object:
        return np.array([is_missing_value(value) for value in column], dtype=bool)
    return column != column


def _of_type(values, dtype):
    """Values for a column of a type: rounded for one of whole numbers, else as they are."""
    name = str(dtype).lower()
    if values.dtype.kind != "f" or "int" not in name:
        return values.astype(np.float32) if name == "float32" else values
    return np.rint(values).astype(np.int64)


def as_floats(column) -> np.ndarray:
    """A column of numbers in float64, NaN where it has no value."""
    if _is_series(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.astype(np.float64)


def as_objects(column) -> np.ndarray:
    """Values of a column as objects; dates of an array stay dates, of scalars of numpy."""
    if getattr(column.dtype, "kind", "O") not in "mM":
        return np.asarray(column, dtype=object)
    # An array of objects would turn the nanoseconds of another into whole numbers.
    return np.fromiter(column, dtype=object, count=len(column))


def distinct_values(column):
    """Each value of a column once, in its own type, without those that are missing."""
    present = column[~missing_in(column)]
    if _is_series(column):
        return present.drop_duplicates()
    if column.dtype != object:
        return np.unique(present)
    return np.array(list(dict.fromkeys(present)), dtype=object)


def pick(column, index: np.ndarray):
    """Values of a column by their positions, in its own type and under new labels."""
    return column.iloc[index].reset_index(drop=True) if _is_series(column) else column[index]


def stacked(column, other):
    """Two columns below each other: as objects, unless both hold numbers or have one type."""
    if _is_series(column) or _is_series(other):
        pandas = require("pandas", "mixing rows of tables", "give arrays")
        column, other = pandas.Series(column), pandas.Series(other)
        if column.dtype != other.dtype:
            both = pandas.concat([column.astype(object), other.astype(object)], ignore_index=True)
            return both.infer_objects()
        return pandas.concat([column, other], ignore_index=True)
    are_numbers = all(one.dtype.kind in _NUMBERS for one in (column, other))
    return np.concatenate([column, other], dtype=None if are_numbers else object)

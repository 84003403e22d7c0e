"""What a table looks like, so that drawn rows come in its likeness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import require
from ..validation import container_of
from ._column_reading import RawColumn


@dataclass(frozen=True)
class TableForm:
    """What a table looks like, so that others can be made in its likeness.

    Parameters
    ----------
    container : {'pandas', 'polars', 'array'}
        What holds the columns.
    names : list, pandas.Index or None
        Their labels, None where they have none.
    dtypes : list
        Their types.
    """

    container: str
    names: Any
    dtypes: list

    @classmethod
    def of(cls, X, columns: list[RawColumn]) -> TableForm:
        """The form of X."""
        table = container_of(X)
        return cls(table.name, table.own_labels, [column.dtype for column in columns])

    def of_columns(self, columns: list[int]) -> TableForm:
        """The form of some of the columns."""
        names = None if self.names is None else [self.names[j] for j in columns]
        if self.container == "pandas":
            names = self.names[columns]
        return TableForm(self.container, names, [self.dtypes[j] for j in columns])

    def build(self, values: list[np.ndarray], keeps_type: list[bool], missing=None):
        """A table of this form.

        Parameters
        ----------
        values : list of ndarray of shape (n,)
            Its columns.
        keeps_type : list of bool
            Whether a column gets the type that it has in this form, and not float64.
        missing : ndarray of bool of shape (n, d), default=None
            Which values are missing, whatever `values` holds there; None where none are.
        """
        missing = np.zeros((len(values[0]), len(values)), bool) if missing is None else missing
        return _BUILDERS[self.container](self, values, keeps_type, missing)


def _build_array(form, values, keeps_type, missing):
    dtype = form.dtypes[0]
    if dtype.kind == "O" or any(column.dtype.kind == "O" for column in values):
        table = np.empty((len(values[0]), len(values)), dtype=object)
        for j, column in enumerate(values):
            table[:, j] = column.tolist()
        table = table if dtype.kind == "O" else table.astype(dtype)
    else:
        whole = all(keeps_type) and dtype.kind != "f"
        table = np.column_stack(values).astype(dtype if whole else np.float64)
    if missing.any():
        table[missing] = np.nan
    return table


def _build_pandas(form, values, keeps_type, missing):
    pd = require("pandas", "a sample in the form of a pandas table")
    columns = [
        pd.Series(column, dtype=dtype) if keeps else pd.Series(column)
        for column, dtype, keeps in zip(values, form.dtypes, keeps_type, strict=True)
    ]
    columns = [
        column.mask(where) if where.any() else column
        for column, where in zip(columns, missing.T, strict=True)
    ]
    table = pd.concat(columns, axis=1)
    table.columns = form.names
    return table


def _build_polars(form, values, keeps_type, missing):
    pl = require("polars", "a sample in the form of a polars table")
    columns = zip(form.names, values, form.dtypes, keeps_type, missing.T, strict=True)
    return pl.DataFrame(
        [
            pl.Series(name, _with_none(column, where), dtype=dtype if keeps else pl.Float64)
            for name, column, dtype, keeps, where in columns
        ]
    )


def _with_none(column, missing):
    """Values of a column, None where they are missing."""
    values = column.tolist()
    for i in np.flatnonzero(missing):
        values[i] = None
    return values


# By the container of the table.
_BUILDERS = {"array": _build_array, "pandas": _build_pandas, "polars": _build_polars}

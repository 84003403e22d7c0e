"""What a table looks like, so that rows that are drawn come in its likeness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._column_reading import RawColumn, is_pandas, is_polars


@dataclass(frozen=True)
class TableForm:
    """What a table looks like, so that others can be made in its likeness.

    Parameters
    ----------
    container : {'pandas', 'polars', 'array'}
        What holds the columns.
    names : list or pandas.Index
        Their labels.
    dtypes : list
        Their types.
    """

    container: str
    names: Any
    dtypes: list

    @classmethod
    def of(cls, X, columns: list[RawColumn]) -> TableForm:
        """The form of X."""
        dtypes = [column.dtype for column in columns]
        if is_pandas(X):
            return cls("pandas", X.columns, dtypes)
        if is_polars(X):
            return cls("polars", list(X.columns), dtypes)
        return cls("array", list(range(len(columns))), dtypes)

    def build(self, values: list[np.ndarray], kinds: list[str]):
        """A table of this form: whole numbers and levels in their own type, the rest in float64."""
        values = [
            _within_limits(column, dtype) if kind == "integer" else column
            for column, dtype, kind in zip(values, self.dtypes, kinds, strict=True)
        ]
        keeps_type = [kind in ("integer", "categorical") for kind in kinds]
        if self.container == "array":
            return _build_array(values, self.dtypes[0], keeps_type)
        build = _build_pandas if self.container == "pandas" else _build_polars
        return build(self.names, values, self.dtypes, keeps_type)


def _within_limits(numbers, dtype):
    """Whole numbers, moved to the ends of what their type can hold."""
    name = str(dtype).lower().split("[")[0]
    if name.startswith("float"):
        return numbers
    if name.startswith("bool"):
        return np.clip(numbers, 0, 1).astype(bool)
    limits = np.iinfo(name if "int" in name else np.int64)
    high = float(limits.max)
    # The largest int64 is no float64, and the float64 next to it is too large.
    high = np.nextafter(high, 0) if int(high) > limits.max else high
    return np.clip(numbers, float(limits.min), high).astype(limits.dtype)


def _build_array(values, dtype, keeps_type):
    kind = dtype.kind
    if kind == "O" or any(column.dtype.kind == "O" for column in values):
        table = np.empty((len(values[0]), len(values)), dtype=object)
        for j, column in enumerate(values):
            table[:, j] = column.tolist()
        return table if kind == "O" else table.astype(dtype)
    return np.column_stack(values).astype(dtype if all(keeps_type) and kind != "f" else np.float64)


def _build_pandas(names, values, dtypes, keeps_type):
    import pandas as pd

    columns = [
        pd.Series(column, dtype=dtype) if keeps else pd.Series(column)
        for column, dtype, keeps in zip(values, dtypes, keeps_type, strict=True)
    ]
    table = pd.concat(columns, axis=1)
    table.columns = names
    return table


def _build_polars(names, values, dtypes, keeps_type):
    import polars as pl

    return pl.DataFrame(
        [
            pl.Series(name, column.tolist(), dtype=dtype if keeps else pl.Float64)
            for name, column, dtype, keeps in zip(names, values, dtypes, keeps_type, strict=True)
        ]
    )

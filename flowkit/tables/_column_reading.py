"""Columns of a mixed table as they were given: values, what is missing, types."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from numbers import Number
from typing import Any

import numpy as np

from ..exceptions import UnsupportedValueError
from ..validation import (
    DATE_ADVICE,
    a_kind_of,
    as_floats,
    container_of,
    is_date,
    is_missing_value,
    missing_in,
    shown,
)

# Python counts these among the numbers, but they have no place on a line.
_NO_NUMBERS = (complex, np.complexfloating, np.datetime64, np.timedelta64)
# Types of which each value is there, and has its place.
_PLAIN = {str, bool, int}


@dataclass(frozen=True)
class RawColumn:
    """One column as it was given.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers, booleans, text, objects, or dates as numpy's.
    missing : ndarray of shape (n,)
        Where there is no value.
    dtype : object
        Type of the column in its table.
    levels : list or None
        Categories that its type declares, None where it declares none.
    ordered : bool
        Whether these have an order.
    """

    values: np.ndarray
    missing: np.ndarray
    dtype: Any
    levels: list | None = None
    ordered: bool = False

    def take(self, kept: np.ndarray) -> RawColumn:
        """The kept rows."""
        return replace(self, values=self.values[kept], missing=self.missing[kept])

    @property
    def is_number(self) -> bool:
        return self.values.dtype.kind in "iuf"

    def numbers(self) -> np.ndarray | None:
        """Float64 with NaN where a value is missing; None where something is not a number."""
        if self.values.dtype.kind in "iufb":
            with np.errstate(over="ignore"):
                return self.values.astype(np.float64)
        present = self.values[~self.missing]
        if not all(isinstance(value, Number) for value in present):
            return None
        return _spread(present, self.missing)

    def codes(self, levels: list) -> np.ndarray:
        """Position of each value in `levels`: -1 for others, NaN where it is missing."""
        position = {level: i for i, level in enumerate(levels)}
        codes = np.array([position.get(value, -1) for value in self.values.tolist()], np.float64)
        codes[self.missing] = np.nan
        return codes

    def own_levels(self) -> list:
        """Distinct values in order, or the levels that the type declares."""
        if self.levels is not None:
            return list(self.levels)
        found = dict.fromkeys(self.values[~self.missing].tolist())
        try:
            return sorted(found)
        except TypeError:
            return sorted(found, key=lambda level: (type(level).__name__, str(level)))


def read_columns(X, names: list[str]) -> list[RawColumn]:
    """Columns of a table, each with its own type.

    Parameters
    ----------
    X : ndarray of shape (n, d), pandas.DataFrame or polars.DataFrame
        The table.
    names : list of str
        Names for errors.

    Raises
    ------
    UnsupportedValueError
        If a column holds neither text nor numbers.
    """
    table = container_of(X)
    read = _READERS[table.name]
    return [read(column, name) for column, name in zip(table.columns(), names, strict=True)]


def _read_array(column, name):
    kind = column.dtype.kind
    if kind == "O":
        return _read_objects(column, column.dtype, name)
    _refuse_kind(kind, column.dtype, name)
    return RawColumn(column, missing_in(column), column.dtype)


def _read_pandas(series, name):
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        values = series.astype(object).to_numpy()
        levels = dtype.categories.tolist()
        return RawColumn(values, missing_in(series), dtype, levels, bool(dtype.ordered))
    # Of dates in a time zone, days are not equally long.
    if dtype.kind == "M" and _zone_of(dtype) is None:
        values = series.to_numpy()
        if values.dtype.kind != "M":
            # Days of pyarrow are objects to numpy.
            values = series.astype("datetime64[s]").to_numpy()
        return RawColumn(values, missing_in(series), dtype)
    _refuse_kind(dtype.kind, dtype, name)
    if dtype.kind in "iuf":
        missing = missing_in(series)
        plain = isinstance(dtype, np.dtype) and not missing.any()
        return RawColumn(series.to_numpy() if plain else as_floats(series), missing, dtype)
    return _read_objects(series.to_numpy(dtype=object), dtype, name)


def _zone_of(dtype):
    """Time zone of a type of dates of pandas, also of those of pyarrow."""
    return getattr(getattr(dtype, "pyarrow_dtype", dtype), "tz", None)


def _read_polars(series, name):
    dtype = series.dtype
    if str(dtype) == "Date" or (str(dtype).startswith("Datetime") and dtype.time_zone is None):
        values = series.to_numpy()
        return RawColumn(values, np.isnat(values), dtype)
    if dtype.is_temporal():
        _refuse_kind("M", dtype, name)
    if dtype.is_float() or dtype.is_integer():
        values = series.to_numpy()
        return RawColumn(values, missing_in(values), dtype)
    raw = _read_objects(np.fromiter(series, dtype=object, count=len(series)), dtype, name)
    # A polars Categorical shares its categories with other columns, an Enum has its own.
    levels = list(dtype.categories) if str(dtype).startswith("Enum") else None
    return RawColumn(raw.values, raw.missing, dtype, levels)


def _refuse_kind(kind, dtype, name):
    if kind in "iufbOUST":
        return
    way_out = DATE_ADVICE if kind in "mM" else "make columns of real numbers or text of it"
    if kind == "M":
        way_out = f"take the time zone off, as .dt.tz_localize(None) does, {DATE_ADVICE}"
    raise UnsupportedValueError(
        f"column {name} is of type {dtype}: values of a table must be strings or real numbers; "
        f"{way_out}, or drop the column."
    )


def _way_out(value) -> str:
    """What to do with a value that is neither text nor a real number."""
    if isinstance(value, datetime.date | np.datetime64):
        return "make dates of the column, as pandas.to_datetime does"
    if is_date(value):
        return DATE_ADVICE
    if isinstance(value, Mapping | Set | Sequence | np.ndarray):
        return "give each of its entries a column, or make it text with str, which is a category"
    return "make it a number with float, or text with str, which is a category"


def _read_objects(values, dtype, name):
    # Looking at each value takes longer than scoring it.
    is_plain = set(map(type, values)) <= _PLAIN
    missing = np.zeros(len(values), dtype=bool)
    if not is_plain:
        missing[:] = [is_missing_value(value) for value in values]
    present = values[~missing].tolist()
    for value in () if is_plain else present:
        if not isinstance(value, str | bytes | Number) or isinstance(value, _NO_NUMBERS):
            raise UnsupportedValueError(
                f"column {name} holds {shown(value)}, {a_kind_of(value)}, but each value of this "
                f"argument must be a string or a real number: {_way_out(value)}, or drop the "
                "column."
            )
    if present and all(isinstance(value, bool | np.bool_) for value in present):
        return RawColumn(values if missing.any() else values.astype(bool), missing, dtype)
    if present and all(isinstance(value, Number) for value in present):
        return RawColumn(_spread(present, missing), missing, dtype)
    return RawColumn(values, missing, dtype)


def _spread(present, missing):
    """Numbers where they are present, NaN where they are missing."""
    numbers = np.full(len(missing), np.nan)
    numbers[~missing] = [_as_float(value) for value in present]
    return numbers


def _as_float(value):
    """A number in float64; infinity, which is refused by column, where it is too large."""
    try:
        return float(value)
    except OverflowError:
        return np.copysign(np.inf, -1.0 if value < 0 else 1.0)


# By the container of the table.
_READERS = {"array": _read_array, "pandas": _read_pandas, "polars": _read_polars}

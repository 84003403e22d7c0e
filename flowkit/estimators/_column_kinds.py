"""Columns of a mixed table: how they are read, and what they are taken for."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Number, Real
from typing import Any

import numpy as np

from .._optional import require
from ..exceptions import (
    InvalidDataError,
    InvalidParameterError,
    UnknownNameError,
    UnsupportedValueError,
)

KINDS = ("continuous", "bounded", "integer", "categorical", "circular")


@dataclass(frozen=True)
class RawColumn:
    """One column as it was given.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers, booleans, text, or objects.
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
            return self.values.astype(np.float64)
        present = self.values[~self.missing]
        if not all(isinstance(value, Number) for value in present):
            return None
        return _spread(present, self.missing)

    def codes(self, levels: list) -> np.ndarray:
        """Place of each value in `levels`: -1 for others, NaN where it is missing."""
        place = {level: i for i, level in enumerate(levels)}
        codes = np.array([place.get(label, -1) for label in self.values.tolist()], np.float64)
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


def is_frame(X) -> bool:
    """Whether X is a table whose columns have types of their own."""
    return _is_pandas(X) or _is_polars(X)


def _is_pandas(X) -> bool:
    return hasattr(X, "iloc") and getattr(X, "ndim", 0) == 2


def _is_polars(X) -> bool:
    return hasattr(X, "get_columns")


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
    if _is_pandas(X):
        given, read = [X.iloc[:, j] for j in range(X.shape[1])], _read_pandas
    elif _is_polars(X):
        given, read = X.get_columns(), _read_polars
    else:
        given, read = list(X.T), _read_array
    return [read(column, name) for column, name in zip(given, names, strict=True)]


def _read_array(column, name):
    kind = column.dtype.kind
    if kind == "O":
        return _read_objects(column, column.dtype, name)
    _refuse_kind(kind, column.dtype, name)
    missing = np.isnan(column) if kind == "f" else np.zeros(len(column), bool)
    return RawColumn(column, missing, column.dtype)


def _read_pandas(series, name):
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        values = series.astype(object).to_numpy()
        levels = dtype.categories.tolist()
        return RawColumn(values, series.isna().to_numpy(), dtype, levels, bool(dtype.ordered))
    _refuse_kind(dtype.kind, dtype, name)
    if dtype.kind in "iuf":
        if series.isna().any() or not isinstance(dtype, np.dtype):
            values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = series.to_numpy()
        return RawColumn(values, series.isna().to_numpy(), dtype)
    return _read_objects(series.to_numpy(dtype=object), dtype, name)


def _read_polars(series, name):
    dtype = series.dtype
    if dtype.is_temporal():
        _refuse_kind("M", dtype, name)
    if dtype.is_float() or dtype.is_integer():
        values = series.to_numpy()
        missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        return RawColumn(values, missing, dtype)
    raw = _read_objects(np.fromiter(series, dtype=object, count=len(series)), dtype, name)
    # A polars Categorical shares its categories with other columns, an Enum has its own.
    levels = list(dtype.categories) if str(dtype).startswith("Enum") else None
    return RawColumn(raw.values, raw.missing, dtype, levels)


def _refuse_kind(kind, dtype, name):
    if kind in "iufbOUST":
        return
    raise UnsupportedValueError(
        f"column {name} is of type {dtype}: values of a table must be strings or real numbers. "
        "Turn dates into numbers (days since a date, hour of the day), or drop the column."
    )


def _is_missing(value) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, Real) and math.isnan(value)


def _read_objects(values, dtype, name):
    missing = np.array([_is_missing(value) for value in values], dtype=bool)
    present = values[~missing].tolist()
    for value in present:
        if not isinstance(value, str | bytes | Number) or isinstance(value, complex):
            raise UnsupportedValueError(
                f"column {name} holds {value!r}: a value, which is an argument must be a string "
                "or a real number."
            )
    if present and all(isinstance(value, bool | np.bool_) for value in present):
        return RawColumn(values if missing.any() else values.astype(bool), missing, dtype)
    if present and all(isinstance(value, Number) for value in present):
        return RawColumn(_spread(present, missing), missing, dtype)
    return RawColumn(values, missing, dtype)


def _spread(present, missing):
    """Numbers where they are present, NaN where they are missing."""
    numbers = np.full(len(missing), np.nan)
    numbers[~missing] = [float(value) for value in present]
    return numbers


@dataclass(frozen=True)
class TableForm:
    """What a table looks like, so that others can be made in its likeness.

    Parameters
    ----------
    container : {'pandas', 'polars', 'array'}
        What holds the columns.
    names : list of str
        Their names.
    dtypes : list
        Their types.
    """

    container: str
    names: list
    dtypes: list

    @classmethod
    def of(cls, X, columns: list[RawColumn]) -> TableForm:
        """The form of X."""
        dtypes = [column.dtype for column in columns]
        if _is_pandas(X):
            return cls("pandas", list(X.columns), dtypes)
        if _is_polars(X):
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
    pd = require("pandas", "a density fitted to a pandas table")
    columns = [
        pd.Series(column, dtype=dtype) if keeps else pd.Series(column)
        for column, dtype, keeps in zip(values, dtypes, keeps_type, strict=True)
    ]
    return pd.concat(columns, axis=1, keys=names)


def _build_polars(names, values, dtypes, keeps_type):
    pl = require("polars", "a density fitted to a polars table")
    return pl.DataFrame(
        [
            pl.Series(name, column.tolist(), dtype=dtype if keeps else pl.Float64)
            for name, column, dtype, keeps in zip(names, values, dtypes, keeps_type, strict=True)
        ]
    )


@dataclass(frozen=True)
class ColumnKind:
    """What a column is taken for.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    why : str
        The reason, in words.
    bounds : tuple of (float, float)
        Support, infinite where it is open.
    period : tuple of (float, float) or None
        Start and length of the period of a circular column.
    """

    kind: str
    why: str
    bounds: tuple[float, float] = (-math.inf, math.inf)
    period: tuple[float, float] | None = None


def settle_kinds(columns, names, named, kinds, bounds, periods) -> list[ColumnKind]:
    """Kind of each column, from what was declared and from what it holds.

    Parameters
    ----------
    columns : list of RawColumn
        The columns.
    names : list of str
        Names for errors, and as keys where `named`.
    named : bool
        Whether the table has names; without, keys are indices.
    kinds : 'auto', dict, or sequence of str
        What was declared; a dict maps columns to kinds.
    bounds : dict or None
        Column to ``(low, high)``.
    periods : dict or None
        Column to period or ``(start, period)``.

    Raises
    ------
    InvalidParameterError
        If a declaration is incomplete, contradicts another or names no column or kind.
    InvalidDataError
        If a column cannot be what it was declared to be.
    """
    known = names if named else None
    if isinstance(kinds, str):
        kinds = {}
    elif not isinstance(kinds, Mapping):
        if len(kinds) != len(columns):
            raise InvalidParameterError(
                f"kinds has {len(kinds)} entries, X has {len(columns)} columns: give one kind for "
                "each column, or a dict of those that are not 'auto'."
            )
        kinds = dict(enumerate(kinds))
    kinds = _by_index("kinds", kinds, known, len(columns))
    bounds = _by_index("bounds", bounds or {}, known, len(columns))
    periods = _by_index("periods", periods or {}, known, len(columns))
    return [
        _settle(column, name, kinds.get(j, "auto"), bounds.get(j), periods.get(j))
        for j, (column, name) in enumerate(zip(columns, names, strict=True))
    ]


def _by_index(parameter, declared, names, n_columns):
    by_index = {}
    for key, value in declared.items():
        j = _index_of(parameter, key, names, n_columns)
        if j in by_index:
            raise InvalidParameterError(f"{parameter} declares column {key!r} twice.")
        by_index[j] = value
    return by_index


def _index_of(parameter, key, names, n_columns):
    if isinstance(key, Integral) and not isinstance(key, bool):
        if 0 <= key < n_columns:
            return int(key)
        raise UnknownNameError(
            f"{parameter} names column {key}, X has columns 0 to {n_columns - 1}."
        )
    if names is None:
        raise UnknownNameError(
            f"{parameter} names column {key!r}, but X has no column names: use indices from 0, or "
            "fit a DataFrame."
        )
    if key in names:
        return names.index(key)
    raise UnknownNameError(
        f"{parameter} names column {key!r}, which X does not have.{_nearest(str(key), names)}"
    )


def _nearest(word, options):
    near = difflib.get_close_matches(word, options, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Choose from {list(options)[:20]}."


def _settle(column, name, kind, bounds, period) -> ColumnKind:
    if column.missing.all():
        raise InvalidDataError(f"column {name} holds no value at all: drop it.")
    if kind != "auto" and kind not in KINDS:
        raise UnknownNameError(
            f"kinds takes column {name} for {kind!r}, which is no kind."
            f"{_nearest(str(kind), ('auto', *KINDS))}"
        )
    if bounds is not None and period is not None:
        raise InvalidParameterError(
            f"column {name} has both bounds and a period: a circular column has no bounds."
        )
    kind, why = (kind, "declared") if kind != "auto" else _recognise(column, bounds, period)
    _check_values(column, name, kind)
    return ColumnKind(kind, why, _bounds(name, kind, bounds), _period(name, kind, period))


def _recognise(column, bounds, period):
    """Kind and reason of a column whose kind was not declared."""
    if period is not None:
        return "circular", "a period is declared"
    numbers = column.numbers() if column.is_number else None
    whole = numbers is not None and is_whole(numbers[~column.missing]).all()
    if bounds is not None:
        return ("integer" if whole else "bounded"), "bounds are declared"
    if numbers is None:
        return "categorical", _type_in_words(column.dtype)
    return ("integer", "whole numbers") if whole else ("continuous", "real numbers")


def _type_in_words(dtype) -> str:
    return "text or objects" if str(dtype) == "object" else f"of type {str(dtype).split('(')[0]}"


def is_whole(numbers: np.ndarray) -> np.ndarray:
    """Which numbers are whole; infinities count, so that they are named as what they are."""
    return np.floor(numbers) == numbers


def _check_values(column, name, kind):
    if kind == "categorical":
        return
    numbers = column.numbers()
    if numbers is None:
        wrong = next(v for v in column.values[~column.missing] if not isinstance(v, Number))
        raise InvalidDataError(
            f"column {name} is declared {kind}, but holds {wrong!r}, which is not a number: make "
            "it numeric, or declare it categorical."
        )
    fractions = ~is_whole(numbers) & ~column.missing
    if kind == "integer" and fractions.any():
        raise InvalidDataError(
            f"column {name} is declared integer, but holds {numbers[fractions][0]:.6g}: round it, "
            "or declare it continuous."
        )


def _bounds(name, kind, bounds):
    if kind not in ("bounded", "integer"):
        if bounds is not None:
            raise InvalidParameterError(
                f"column {name} is {kind} and has bounds {bounds!r}: only bounded and integer "
                "columns have bounds."
            )
        return -math.inf, math.inf
    low, high = _pair(name, "bounds", bounds, "(low, high)") if bounds is not None else (None, None)
    low = -math.inf if low is None else float(low)
    high = math.inf if high is None else float(high)
    if kind == "bounded" and math.isinf(low) and math.isinf(high):
        raise InvalidParameterError(
            f"column {name} is bounded, but has no bound: give bounds={{{name!r}: (low, high)}}, "
            "one of which may be None, or declare it continuous."
        )
    if not low < high and not (kind == "integer" and low == high):
        raise InvalidParameterError(
            f"bounds of column {name} must rise, got low={low:g}, high={high:g}."
        )
    if kind == "integer" and not all(math.isinf(b) or b == math.floor(b) for b in (low, high)):
        raise InvalidParameterError(
            f"bounds of integer column {name} must be whole numbers, got ({low:g}, {high:g})."
        )
    return low, high


def _period(name, kind, period):
    if kind != "circular":
        if period is not None:
            raise InvalidParameterError(
                f"column {name} is {kind} and has a period: declare it circular, or drop the "
                "period."
            )
        return None
    if period is None:
        raise InvalidParameterError(
            f"column {name} is circular, but has no period: give periods={{{name!r}: period}} or "
            f"{{{name!r}: (start, period)}}."
        )
    if isinstance(period, Real):
        period = (0.0, period)
    start, length = _pair(name, "periods", period, "a period or (start, period)")
    if start is None or length is None or not (math.isfinite(start) and 0 < length < math.inf):
        raise InvalidParameterError(
            f"the period of column {name} must be positive and finite, got {period!r}."
        )
    return float(start), float(length)


def _pair(name, parameter, value, form):
    pair = tuple(value) if isinstance(value, list | tuple | np.ndarray) else ()
    good = len(pair) == 2 and all(
        v is None or (isinstance(v, Real) and not math.isnan(v)) for v in pair
    )
    if not good:
        raise InvalidParameterError(
            f"{parameter} of column {name} must be {form}, of numbers, got {value!r}."
        )
    return pair

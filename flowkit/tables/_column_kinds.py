"""What the columns of a mixed table are taken for."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Number, Real

import numpy as np

from ..exceptions import InvalidDataError, InvalidParameterError, UnknownNameError

KINDS = ("continuous", "bounded", "integer", "categorical", "circular")
# Whole numbers that many rows share, with gaps that are wide beside the least, are codes.
_MAX_CODES, _MIN_CODE_ROWS, _MIN_CODE_SHARE, _WIDE_GAP = 10, 5, 0.01, 5


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


def settle_kinds(columns, labels, kinds, bounds, periods) -> list[ColumnKind]:
    """Kind of each column, from what was declared and from what it holds.

    Parameters
    ----------
    columns : list of RawColumn
        The columns.
    labels : sequence or None
        Labels of the columns, which keys name first; positions are keys where no label is one.
    kinds : 'auto', dict, or sequence of str
        What was declared; a dict maps columns to kinds.
    bounds : dict, 'seen' or None
        Column to ``(low, high)`` or 'seen'; 'seen' alone is for all integer columns.
    periods : dict or None
        Column to period or ``(start, period)``.

    Raises
    ------
    InvalidParameterError
        If a declaration is incomplete, contradicts another or names no column or kind.
    InvalidDataError
        If a column cannot be what it was declared to be.
    """
    labels = range(len(columns)) if labels is None else list(labels)
    if isinstance(kinds, str):
        kinds = {}
    elif not isinstance(kinds, Mapping):
        if len(kinds) != len(columns):
            raise InvalidParameterError(
                f"kinds has {len(kinds)} entries, X has {len(columns)} columns: give one kind for "
                "each column, or a dict of those that are not 'auto'."
            )
        kinds = dict(zip(labels, kinds, strict=True))
    integers_as_seen = isinstance(bounds, str)
    kinds = _by_position("kinds", kinds, labels)
    bounds = _by_position("bounds", {} if integers_as_seen else bounds or {}, labels)
    periods = _by_position("periods", periods or {}, labels)
    settled = [
        _settle(column, str(label), kinds.get(j, "auto"), bounds.get(j), periods.get(j))
        for j, (column, label) in enumerate(zip(columns, labels, strict=True))
    ]
    if integers_as_seen:
        settled = [
            replace(kind, bounds=_seen(column)) if kind.kind == "integer" else kind
            for kind, column in zip(settled, columns, strict=True)
        ]
    return settled


def _by_position(parameter, declared, labels):
    by_position = {}
    for key, value in declared.items():
        j = _position(parameter, key, labels)
        if j in by_position:
            raise InvalidParameterError(f"{parameter} declares column {key!r} twice.")
        by_position[j] = value
    return by_position


def _position(parameter, key, labels):
    for j, label in enumerate(labels):
        # True is no name of the column 1.
        if label == key and isinstance(label, bool) == isinstance(key, bool):
            return j
    n_columns, unnamed = len(labels), isinstance(labels, range)
    if isinstance(key, Integral) and not isinstance(key, bool):
        if 0 <= key < n_columns:
            return int(key)
        raise UnknownNameError(
            f"{parameter} names column {key}, X has columns 0 to {n_columns - 1}"
            + ("." if unnamed else f", whose names are {list(labels)[:20]}.")
        )
    if unnamed:
        raise UnknownNameError(
            f"{parameter} names column {key!r}, but X has no column names: use indices from 0, or "
            "fit a DataFrame."
        )
    raise UnknownNameError(
        f"{parameter} names column {key!r}, which X does not have.{_nearest(key, labels)}"
    )


def _nearest(key, options):
    by_word = {str(option): option for option in options}
    near = difflib.get_close_matches(str(key), by_word, n=1)
    return f" Did you mean {by_word[near[0]]!r}?" if near else f" Choose from {list(options)[:20]}."


def _settle(column, name, kind, bounds, period) -> ColumnKind:
    if column.missing.all():
        raise InvalidDataError(f"column {name} holds no value at all: drop it.")
    if kind != "auto" and kind not in KINDS:
        raise UnknownNameError(
            f"kinds takes column {name} for {kind!r}, which is no kind."
            f"{_nearest(kind, ('auto', *KINDS))}"
        )
    if bounds is not None and period is not None:
        raise InvalidParameterError(
            f"column {name} has both bounds and a period: a circular column has no bounds."
        )
    kind, why = (kind, "declared") if kind != "auto" else _recognise(column, bounds, period)
    _check_values(column, name, kind)
    if isinstance(bounds, str):
        bounds = _seen_where_asked(column, name, kind, bounds)
    return ColumnKind(kind, why, _bounds(name, kind, bounds), _period(name, kind, period))


def _seen_where_asked(column, name, kind, bounds):
    if bounds != "seen":
        raise InvalidParameterError(
            f"bounds of column {name} must be (low, high) or 'seen', got {bounds!r}."
        )
    return _seen(column) if kind in ("bounded", "integer") else bounds


def _seen(column):
    """Least and largest value of a column."""
    numbers = column.numbers()[~column.missing]
    return float(numbers.min()), float(numbers.max())


def _recognise(column, bounds, period):
    """Kind and reason of a column whose kind was not declared."""
    if period is not None:
        return "circular", "a period is declared"
    numbers = column.numbers()[~column.missing] if column.is_number else None
    whole = numbers is not None and is_whole(numbers).all()
    if bounds is not None:
        return ("integer" if whole else "bounded"), "bounds are declared"
    if numbers is None:
        return "categorical", _type_in_words(column.dtype)
    if codes := _codes(numbers, whole):
        return "categorical", codes
    return ("integer", "whole numbers") if whole else ("continuous", "real numbers")


def _codes(numbers, whole) -> str:
    """Why numbers are names rather than amounts, empty where they are not."""
    values, counts = np.unique(numbers, return_counts=True)
    if values.tolist() == [0, 1]:
        return "zeros and ones alone"
    few = 2 <= len(values) <= _MAX_CODES
    if not few or counts.min() < max(_MIN_CODE_ROWS, _MIN_CODE_SHARE * len(numbers)):
        return ""
    if len(values) == 2:
        return "two values alone"
    steps = np.diff(values)
    # Even steps are a scale, whatever their length.
    return "few whole numbers far apart" if whole and steps.max() > _WIDE_GAP * steps.min() else ""


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

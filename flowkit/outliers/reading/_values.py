"""What a column holds: numbers, dates as numbers, or levels."""

from __future__ import annotations

import datetime
from collections.abc import Hashable
from numbers import Number

import numpy as np

from ...exceptions import UnsupportedValueError
from ...validation import a_kind_of, as_floats, is_date, missing_in, shown

_SECONDS_OF_A_DAY = 86_400.0
_EPOCH = datetime.datetime(1970, 1, 1)
_DAY = np.timedelta64(1, "D")


def numbers_of(column) -> np.ndarray | None:
    """A column as numbers.

    Parameters
    ----------
    column : ndarray or pandas.Series of shape (n,)
        The column, in its own type.

    Returns
    -------
    ndarray of shape (n,) or None
        Numbers as they are, booleans as 0 and 1, dates and lengths of time in days; NaN where
        nothing is known. None where anything else is held: levels.
    """
    if hasattr(column.dtype, "categories"):
        return None
    kind = _kind(column)
    if kind in "iufb":
        return as_floats(column)
    if kind in "mM":
        return _days_of(column, kind)
    missing, numbers = missing_in(column), np.full(len(column), np.nan)
    present = list(column[~missing])
    convert = _converter(present)
    if present and convert is None:
        return None
    numbers[~missing] = [convert(value) for value in present]
    return numbers


def holds_dates(column) -> bool:
    """Whether all that a column holds are dates, times or lengths of time, and there are any.

    Parameters
    ----------
    column : ndarray or pandas.Series of shape (n,)
        The column, in its own type.
    """
    missing = missing_in(column)
    if hasattr(column.dtype, "categories") or missing.all():
        return False
    return _kind(column) in "mM" or all(map(is_date, column[~missing]))


def levels_of(column, name) -> list:
    """A column as levels: hashable values, None where there is none.

    Parameters
    ----------
    column : ndarray or pandas.Series of shape (n,)
        The column, in its own type.
    name : object
        Its name, for errors.

    Returns
    -------
    list of length n
        The levels.

    Raises
    ------
    UnsupportedValueError
        If a value cannot be a level, as lists, dicts and complex numbers cannot.
    """
    missing = missing_in(column)
    values = [None if gone else value for gone, value in zip(missing, column, strict=True)]
    for value in values:
        if not _can_be_a_level(value):
            raise UnsupportedValueError(
                f"column {name} holds {shown(value)}, {a_kind_of(value)}, but each value of this "
                "argument must be a string or a real number: make it text with str, which is a "
                "level, give each of its entries a column, or drop the column."
            )
    return values


def is_number(value) -> bool:
    """Whether a value is a real number, or a truth value, which counts as 0 or 1."""
    # To numpy a length of time is a whole number.
    return isinstance(value, Number | np.bool_) and not isinstance(value, complex | np.timedelta64)


def _kind(column) -> str:
    return getattr(column.dtype, "kind", "O")


def _can_be_a_level(value) -> bool:
    # By far the most common.
    if isinstance(value, str):
        return True
    if isinstance(value, complex) or not isinstance(value, Hashable):
        return False
    try:
        hash(value)
    except TypeError:
        # Tuples claim to be hashable whatever they hold.
        return False
    return True


def _converter(present):
    """What turns all values of a column into numbers, None where nothing does."""
    if all(map(is_number, present)):
        return _float
    return _days if all(map(is_date, present)) else None


def _float(value) -> float:
    """A number as a float, infinite where it is too large for one."""
    try:
        return float(value)
    except OverflowError:
        return np.copysign(np.inf, 1 if value > 0 else -1)


def _days_of(column, kind) -> np.ndarray:
    """A column of dates or lengths of time in days, NaN where it has no value."""
    if hasattr(column.dtype, "tz"):
        column = column.dt.tz_convert(None)
    values = np.asarray(column)
    if kind == "M":
        return (values - np.datetime64("1970-01-01")) / _DAY
    return _of_even_length(values) / _DAY


def _of_even_length(lengths):
    """Lengths of time in units that are so many days; years and months have their mean length."""
    unit = np.datetime_data(lengths.dtype)[0]
    return lengths.astype("m8[s]") if unit in ("Y", "M") else lengths


def _days(value) -> float:
    """A date as days since 1970, a length of time or a time of the day in days."""
    if hasattr(value, "to_timestamp"):
        value = value.to_timestamp()
    if isinstance(value, np.datetime64 | np.timedelta64):
        if isinstance(value, np.datetime64):
            return float((value - np.datetime64("1970-01-01")) / _DAY)
        return float(_of_even_length(value) / _DAY)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds() / _SECONDS_OF_A_DAY
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(_EPOCH, value)
    elif not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    # The first and the last dates have no other time zone, so that the length of time is shifted.
    offset = value.utcoffset() or datetime.timedelta()
    return (value.replace(tzinfo=None) - _EPOCH - offset).total_seconds() / _SECONDS_OF_A_DAY

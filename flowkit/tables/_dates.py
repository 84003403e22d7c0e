"""Dates as they are given, and as numbers of a unit since 1970."""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

import numpy as np

from ..validation import as_objects, is_missing_value, shown

# Attoseconds, the shortest unit of numpy's, of each unit that dates may be whole numbers of.
_MICROSECOND = 10**12
UNITS = {
    "day": ("D", 86_400 * 10**6 * _MICROSECOND),
    "hour": ("h", 3_600 * 10**6 * _MICROSECOND),
    "minute": ("m", 60 * 10**6 * _MICROSECOND),
    "second": ("s", 10**6 * _MICROSECOND),
    "millisecond": ("ms", 10**3 * _MICROSECOND),
    "microsecond": ("us", _MICROSECOND),
}
_FINER = {"W": 7 * UNITS["day"][1], "ns": 10**9, "ps": 10**6, "fs": 10**3, "as": 1}
_LENGTHS = dict(UNITS.values()) | _FINER
# Most of a unit from 1970, as the least int64 is no date.
MOST = np.iinfo(np.int64).max
# Halves of more are no float64, so that dates between could not be told.
_MOST_TOLD = 2**52
_TIME = r"[T ]\d\d(:\d\d(:\d\d(\.\d{1,6}0*)?)?)?"
_ISO_DATE = rf"\d{{4}}(-\d\d(-\d\d({_TIME})?)?)?"
_ISO_DATE_IN_ZONE = rf"\d{{4}}-\d\d-\d\d{_TIME}\s*([zZ]|[+-]\d\d(:?\d\d)?)"
# Zeros of text behind its microseconds, which numpy would count in a shorter unit.
_MOST_CHARACTERS = len("2024-12-31T12:30:00.000000")


def date_of(value: Any) -> np.datetime64:
    """A date that is given, in the unit that it is told to.

    Parameters
    ----------
    value : str, date, datetime or datetime64
        The date; text is in ISO format, such as ``'2024-12-31'``.

    Raises
    ------
    ValueError
        If it is none, or in a time zone.
    """
    if isinstance(value, str) and re.fullmatch(_ISO_DATE, value):
        try:
            return np.datetime64(value[:_MOST_CHARACTERS])
        except ValueError as error:
            raise ValueError(f"{value!r} is no date, as there is no such day or time") from error
    in_zone = isinstance(value, str) and re.fullmatch(_ISO_DATE_IN_ZONE, value)
    if in_zone or getattr(value, "tzinfo", None) is not None:
        raise ValueError(f"{shown(value)} is in a time zone: give it without one")
    # Timestamps of pandas are datetimes, to the nanosecond.
    if hasattr(value, "to_datetime64"):
        value = value.to_datetime64()
    if isinstance(value, np.datetime64 | datetime.date):
        return np.datetime64(value)
    raise ValueError(f"{shown(value)} is no date: give dates, or text such as '2024-12-31'")


def dates_as_numbers(column: Any, unit: str) -> np.ndarray:
    """Dates in any of their types, also within one column, in units since 1970.

    Parameters
    ----------
    column : ndarray or Series of shape (n,)
        Dates, or text that reads as dates; some may be missing.
    unit : str
        What is counted.

    Returns
    -------
    ndarray of shape (n,)
        Float64, NaN where missing.

    Raises
    ------
    ValueError
        If something is no date, or in a time zone.
    """
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M":
        return date_numbers(np.asarray(column), unit)
    numbers = np.full(len(column), np.nan)
    for i, value in enumerate(as_objects(column)):
        if not is_missing_value(value):
            numbers[i] = date_numbers(date_of(value)[None], unit)[0]
    return numbers


def fault_of(dates: np.ndarray) -> str | None:
    """What keeps dates from being modelled to the microsecond; None if nothing does.

    Parameters
    ----------
    dates : ndarray of datetime64 of shape (n,)
        Dates, some of which may be missing.
    """
    known = dates[~np.isnat(dates)]
    unit = _resolution(known)
    if unit is None:
        return f"{known[_off_unit(known, 'microsecond')][0]}, which is finer than a microsecond"
    numbers = np.abs(date_numbers(known, unit))
    far = (numbers > _MOST_TOLD) | (numbers > MOST * _MICROSECOND // UNITS[unit][1])
    return f"{known[far][0]}, too far from 1970 to be told to the {unit}" if far.any() else None


def resolution_of(dates: np.ndarray) -> str:
    """The longest unit that all dates are whole numbers of, such as 'day'.

    Parameters
    ----------
    dates : ndarray of datetime64 of shape (n,)
        Dates without a fault, some of which may be missing.
    """
    return _resolution(dates[~np.isnat(dates)])


def date_numbers(dates: np.ndarray, unit: str) -> np.ndarray:
    """Dates in units since 1970, NaN where they are missing.

    Those between whole numbers of the unit do not become whole by rounding.

    Parameters
    ----------
    dates : ndarray of datetime64 of shape (n,)
        Dates.
    unit : str
        What is counted.
    """
    counts, length = _counted(dates)
    shared = math.gcd(length, UNITS[unit][1])
    times, parts = length // shared, min(UNITS[unit][1] // shared, MOST)
    # In whole numbers: what is far away would overflow, what is fine would be rounded.
    whole, rest = np.divmod(counts, parts)
    numbers = whole * float(times) + rest * (times / parts)
    lost = (rest != 0) & (numbers == np.rint(numbers))
    return np.where(np.isnat(dates), np.nan, numbers + 0.5 * lost)


def _resolution(known):
    return next((unit for unit in UNITS if not _off_unit(known, unit).any()), None)


def _off_unit(known, unit):
    """Which dates are no whole numbers of a unit."""
    counts, length = _counted(known)
    parts = UNITS[unit][1] // math.gcd(length, UNITS[unit][1])
    return np.mod(counts, min(parts, MOST)) != 0


def _counted(dates):
    """Dates as whole numbers of a unit since 1970, and the length of the unit."""
    code, times = np.datetime_data(dates.dtype)
    if code not in _LENGTHS:
        # Years and months are not equally long; what has no unit is missing.
        code, times = ("us", 1) if code == "generic" else ("D", 1)
        dates = dates.astype(f"M8[{code}]")
    return dates.astype(np.int64), times * _LENGTHS[code]

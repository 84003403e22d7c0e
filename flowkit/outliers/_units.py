"""Units of columns: what stands for their values on an axis of numbers, and the way back."""

from __future__ import annotations

import copy
import datetime
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._optional import require
from ..validation import as_floats, as_objects, missing_in
from .reading._values import numbers_of as days_of

_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECONDS = 86_400_000_000
# Days, hours, minutes and seconds in a day.
_PER_DAY = (1, 24, 1_440, 86_400)
# Numbers closer to a whole one are whole: days since 1970 are known to a microsecond.
_ROUNDING = 1e-5
# Days around 1970 that nanoseconds in 64 bits hold; those of the years 1 to 9999; lengths of time.
_NARROW, _YEARS, _LENGTHS = (-106_000, 106_000), (-719_000, 2_932_000), (-(10**8), 10**8)


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: these stand for themselves."""

    dtype = np.dtype(np.float64)

    def numbers(self, column) -> np.ndarray:
        """A column in float64, NaN where it has no value."""
        return as_floats(column)

    def values(self, numbers):
        """Values of the column, in its own type."""
        return numbers

    def objects(self, numbers) -> np.ndarray:
        """The same, in the dtype of an array for several columns."""
        return numbers

    def can_hold(self, numbers) -> np.ndarray:
        """Which numbers stand for a value at all."""
        return np.ones(len(numbers), dtype=bool)


@dataclass(frozen=True)
class Dates:
    """A column of dates or of lengths of time, in days or as fine a unit as it takes.

    Parameters
    ----------
    per_day : int
        Units in a day: days, hours, minutes or seconds.
    kind : type
        Of the values, if the column holds objects; else that of numpy's scalars.
    dtype_of_values : dtype
        Of the column.
    zone : tzinfo or None
        Whose time the dates are in, where the type of the column does not tell.
    is_length : bool
        Whether these are lengths of time.
    limits : tuple of int
        Days that there may be.
    is_array : bool, default=False
        Whether an array of numpy holds the column, and not a Series of pandas.
    """

    per_day: int
    kind: type
    dtype_of_values: Any
    zone: Any
    is_length: bool
    limits: tuple[int, int]
    # Files of older versions do not say.
    is_array: bool = False

    dtype = np.dtype(object)

    @classmethod
    def of(cls, column) -> Dates | None:
        """The units of a column; None if it does not hold dates of one type."""
        present = column[~missing_in(column)]
        kind, zone = _kind_of(column, present), _zone_of(column, present)
        if kind is None:
            return None
        is_length = issubclass(kind, (datetime.timedelta, np.timedelta64))
        # One of its own, as files tell what is shared.
        dtype = copy.copy(column.dtype)
        form = kind, dtype, zone, is_length
        days = cls(1, *form, _NARROW).numbers(present)
        is_narrow = np.abs(days).max() < _NARROW[1]
        limits = _NARROW if is_narrow else _LENGTHS if is_length else _YEARS
        whole = (per for per in _PER_DAY if _are_whole(days * per))
        is_array = isinstance(column, np.ndarray)
        return cls(next(whole, _PER_DAY[-1]), *form, limits, is_array)

    def numbers(self, column) -> np.ndarray:
        """A column of dates of any type in these units since 1970, NaN where it has no value."""
        days = days_of(self._in_zone(column))
        if days is None:
            return np.full(len(column), np.nan)
        numbers = days * self.per_day
        return np.where(_is_whole(numbers), np.rint(numbers), numbers)

    def values(self, numbers):
        """Dates of the type of the column, those beyond its limits at these."""
        days = np.clip(numbers / self.per_day, *self.limits)
        microseconds = np.rint(days * _MICROSECONDS).astype(np.int64)
        values = microseconds.astype("m8[us]" if self.is_length else "M8[us]")
        if self.dtype_of_values == np.dtype(object):
            values = self._made(values)
        if self.is_array:
            return values.astype(self.dtype_of_values)
        series = require("pandas", "dates of a table").Series(values, dtype=values.dtype)
        zone = getattr(self.dtype_of_values, "tz", None)
        if zone is not None:
            # An hour that comes twice is the first, one that is left out ends at once.
            first = np.ones(len(series), dtype=bool)
            series = series.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
        return series.astype(self.dtype_of_values)

    def objects(self, numbers) -> np.ndarray:
        """The same as objects."""
        return as_objects(self.values(numbers))

    def can_hold(self, numbers) -> np.ndarray:
        """Which numbers lie within the limits."""
        low, high = (day * self.per_day for day in self.limits)
        return (numbers >= low) & (numbers <= high)

    def _in_zone(self, column):
        """A column in the time of the zone, which it no longer names."""
        if getattr(column.dtype, "tz", None) is not None:
            zone = getattr(self.dtype_of_values, "tz", None) or self.zone or "UTC"
            return column.dt.tz_convert(zone).dt.tz_localize(None)
        if column.dtype != object or self.is_length:
            return column
        zone, values = self.zone or datetime.UTC, np.empty(len(column), dtype=object)
        for i, value in enumerate(column):
            aware = getattr(value, "tzinfo", None) is not None and hasattr(value, "astimezone")
            values[i] = value.astimezone(zone).replace(tzinfo=None) if aware else value
        return values

    def _made(self, values):
        """Dates of numpy as objects of the type of the column."""
        if issubclass(self.kind, np.generic):
            return as_objects(values)
        made = np.empty(len(values), dtype=object)
        for i, value in enumerate(values.tolist()):
            if self.kind is datetime.date:
                made[i] = value.date()
                continue
            value = value if self.zone is None else value.replace(tzinfo=self.zone)
            # Subclasses, such as those of pandas, read what they derive from.
            made[i] = value if type(value) is self.kind else self.kind(value)
        return made


def _kind_of(column, present):
    """Type of dates or lengths of time that a column holds, None if it has none or several."""
    kind = getattr(column.dtype, "kind", "O")
    if not len(present) or hasattr(column.dtype, "categories"):
        return None
    if kind in "mM":
        return np.timedelta64 if kind == "m" else np.datetime64
    kinds = set(map(type, present)) if column.dtype == object else set()
    known = (datetime.date, datetime.timedelta, np.datetime64, np.timedelta64)
    if len(kinds) != 1 or not issubclass(*kinds, known):
        return None
    aware = {getattr(value, "tzinfo", None) is not None for value in present}
    return kinds.pop() if len(aware) == 1 else None


def _zone_of(column, present):
    """Time zone of the dates of a column of objects, UTC for several, None for none."""
    if column.dtype != object:
        return None
    zones = {getattr(value, "tzinfo", None) for value in present}
    return zones.pop() if len(zones) == 1 else datetime.UTC


def _is_whole(numbers):
    return np.abs(numbers - np.rint(numbers)) < _ROUNDING


def _are_whole(numbers) -> bool:
    return bool(_is_whole(numbers).all())

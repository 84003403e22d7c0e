"""Dates as whole numbers of the longest unit that all of them are multiples of."""

from __future__ import annotations

import numpy as np

from ._column_codecs import NumberCodec

# Microseconds of each unit; finer ones would not fit into float64.
_UNITS = {
    "day": 86_400_000_000,
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "millisecond": 1_000,
    "microsecond": 1,
}
_STORED = "datetime64[us]"
# Most microseconds since 1970, or before; the least int64 is no date.
_MOST = np.iinfo(np.int64).max
_MOST_OF_NANOSECONDS = _MOST // 1000
# Polars takes dates from those of Python, which have years of four digits.
_YEARS = tuple(
    int(np.datetime64(end, "us").astype(np.int64))
    for end in ("0001-01-01", "9999-12-31T23:59:59.999999")
)


def as_dates(values) -> np.ndarray:
    """Dates, or text that reads as dates, as numpy's, to the microsecond.

    Raises
    ------
    ValueError, TypeError
        If something is no date.
    """
    return np.asarray(values).astype(_STORED)


def resolution_of(dates: np.ndarray) -> str:
    """The longest unit that all dates are whole numbers of, such as 'day'.

    Parameters
    ----------
    dates : ndarray of datetime64 of shape (n,)
        Dates, some of which may be missing.
    """
    counts = dates[~np.isnat(dates)].astype(_STORED).astype(np.int64)
    return next(unit for unit, length in _UNITS.items() if not np.mod(counts, length).any())


def date_numbers(dates: np.ndarray, unit: str) -> np.ndarray:
    """Dates in units since 1970, NaN where they are missing.

    Parameters
    ----------
    dates : ndarray of datetime64 of shape (n,)
        Dates.
    unit : str
        What is counted.
    """
    counts = dates.astype(_STORED).astype(np.int64) / _UNITS[unit]
    return np.where(np.isnat(dates), np.nan, counts)


class DateCodec(NumberCodec):
    """A date, as a whole number of units since 1970.

    Parameters
    ----------
    low, high : float
        Bounds in these units, infinite where the support is open.
    unit : str
        The unit, such as 'day'.
    x : ndarray of shape (n,)
        Training values in these units, NaN where missing.
    """

    is_date = True

    def __init__(self, low: float, high: float, unit: str, x: np.ndarray):
        super().__init__(low, high, True, x)
        self.unit = unit

    def read(self, column):
        if column.values.dtype.kind != "M":
            return None
        return date_numbers(column.values, self.unit)

    def is_fine(self, n_cells: int) -> bool:
        # A date that many rows share is no code for anything.
        return False

    def typed(self, x, dtype):
        dates = self._dates(x, _limits(dtype))
        # A date of polars has no time of the day.
        return dates.astype("datetime64[D]") if str(dtype) == "Date" else dates

    def _dates(self, x, limits=(-_MOST, _MOST)):
        """Numbers as dates, moved to the ends of what a type can hold, in microseconds."""
        length = _UNITS[self.unit]
        most = np.nextafter(float(_MOST), 0)
        counts = np.clip(np.rint(x), -most, most).astype(np.int64)
        low, high = -(-limits[0] // length), limits[1] // length
        return (np.clip(counts, low, high) * length).astype(_STORED)

    def details(self) -> str:
        first, last, n_values = self._seen
        ends = self._dates(np.array([first, last]))
        first, last = (str(date).removesuffix("T00:00:00.000000") for date in ends)
        return f"{first} to {last}, {n_values} values, to the {self.unit}"


def _limits(dtype):
    """Microseconds since 1970 of the first and the last date that a type of columns holds."""
    name = str(dtype)
    if "ns" in name:
        return -_MOST_OF_NANOSECONDS, _MOST_OF_NANOSECONDS
    return _YEARS if name.startswith("Date") else (-_MOST, _MOST)

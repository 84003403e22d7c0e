"""Dates as whole numbers of the longest unit that all of them are multiples of."""

from __future__ import annotations

import numpy as np

from ._column_codecs import NumberCodec
from ._dates import MOST, UNITS, date_numbers

_MOST_OF_NANOSECONDS = MOST // 1000
# Polars takes dates from those of Python, which have years of four digits.
_YEARS = tuple(
    int(np.datetime64(end, "us").astype(np.int64))
    for end in ("0001-01-01", "9999-12-31T23:59:59.999999")
)


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

    def fits(self, x, dtype):
        return date_numbers(self.typed(x, dtype), self.unit) == x

    def in_units(self, x):
        code, _ = UNITS[self.unit]
        return self._dates(x).astype(f"datetime64[{code}]")

    def is_fine(self, n_cells: int) -> bool:
        # A date that many rows share is no code for anything.
        return False

    def typed(self, x, dtype):
        dates = self._dates(x, _limits(dtype))
        # A date of polars has no time of the day.
        return dates.astype("datetime64[D]") if str(dtype) == "Date" else dates

    def _dates(self, x, limits=(-MOST, MOST)):
        """Numbers as dates, moved to the ends of what a type can hold, in microseconds."""
        length = UNITS[self.unit][1] // UNITS["microsecond"][1]
        most = np.nextafter(float(MOST), 0)
        counts = np.clip(np.rint(x), -most, most).astype(np.int64)
        low, high = -(-limits[0] // length), limits[1] // length
        return (np.clip(counts, low, high) * length).astype("datetime64[us]")

    def details(self) -> str:
        first, last, n_values = self._seen
        return f"{self.told(first)} to {self.told(last)}, {n_values} values, to the {self.unit}"

    def told(self, x):
        return str(self._dates(np.array([x]))[0]).removesuffix("T00:00:00.000000")

    def _values(self):
        return f"dates to the {self.unit}"


def _limits(dtype):
    """Microseconds since 1970 of the first and the last date that a type of columns holds."""
    name = str(dtype)
    if "ns" in name:
        return -_MOST_OF_NANOSECONDS, _MOST_OF_NANOSECONDS
    return _YEARS if name.startswith("Date") else (-MOST, MOST)

"""What a single value is: a date, missing, or something to name in an error."""

from __future__ import annotations

import datetime
from numbers import Real

import numpy as np

DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
DATE_ADVICE = (
    "turn dates into numbers, such as days since a date, or the hour of the day, for which "
    "TableDensity has periods={column: 24}"
)
_MAX_SHOWN = 60


def is_date(value) -> bool:
    """Whether a value is a date, a time, or a length of time."""
    return isinstance(value, DATES) or type(value).__name__ == "Period"


def is_missing_value(value) -> bool:
    """Whether a value stands for none."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    # To numpy a length of time is a whole number.
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, DATES):
        return False
    return isinstance(value, Real) and bool(value != value)


def a_kind_of(value) -> str:
    """The type of a value, with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def shown(value) -> str:
    """A value for an error, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."

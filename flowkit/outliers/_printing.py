"""Values of columns as short text: numbers, probabilities, dates and lengths of time."""

from __future__ import annotations

import datetime
from numbers import Integral, Number

import numpy as np

# Numbers from here on have an exponent; below, their whole part is never rounded.
_LARGE, _N_DIGITS = 1e7, 6
_PRECISIONS = ("days", "minutes", "seconds")


def number_shown(value) -> str:
    """A number with six significant digits, and all those of its whole part below ten million."""
    if isinstance(value, Integral):
        return str(value)
    value = float(value)
    is_long = 10 ** (_N_DIGITS - 1) <= abs(value) < _LARGE
    return f"{value:.0f}" if is_long else f"{value:.{_N_DIGITS}g}"


def probability_shown(value) -> str:
    """A probability in percent: 0% and 100% only where it is 0 or 1."""
    text = f"{value:.0%}"
    if text == "100%" and value < 1:
        return ">99%"
    return "<1%" if text == "0%" and value > 0 else text


def precision_of(values) -> str:
    """How fine dates are: 'days', 'minutes' or 'seconds', which is the finest that is shown.

    Parameters
    ----------
    values : iterable
        Values of a column; those that are no dates do not count.
    """
    return _PRECISIONS[max(map(_precision, values), default=0)]


def shown_value(value, precision) -> str:
    """A value of any type.

    Parameters
    ----------
    value : object
        The value.
    precision : {'days', 'minutes', 'seconds'}
        How fine it is shown if it is a date.
    """
    value = _of_datetime(value)
    if isinstance(value, datetime.datetime):
        if precision == "days":
            return value.date().isoformat()
        return value.isoformat(sep=" ", timespec=precision)
    if isinstance(value, datetime.timedelta):
        return _length_shown(value, precision)
    if isinstance(value, Number) and not isinstance(value, bool | np.bool_ | complex):
        return number_shown(value)
    return str(value)


def _precision(value) -> int:
    value = _of_datetime(value)
    if isinstance(value, datetime.datetime):
        return 2 if value.second else int(value.hour > 0 or value.minute > 0)
    if isinstance(value, datetime.timedelta):
        return 2 if abs(value).seconds % 60 else int(abs(value).seconds > 0)
    return 0


def _of_datetime(value):
    """A date or length of time of numpy as one of datetime, if that can hold it."""
    if isinstance(value, np.datetime64):
        return value.astype("M8[us]").item()
    if isinstance(value, np.timedelta64):
        return value.astype("m8[us]").item()
    return value


def _length_shown(value, precision) -> str:
    """A length of time in days, and hours, minutes and seconds unless all are whole days."""
    sign, value = ("-", -value) if value < datetime.timedelta(0) else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    parts = [f"{value.days} day{'' if value.days == 1 else 's'}"] if value.days else []
    if precision != "days":
        parts.append(f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}")
    return sign + (" ".join(parts) or "0 days")

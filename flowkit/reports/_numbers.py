"""How a report writes numbers and other values."""

from __future__ import annotations

import math

import numpy as np

_MINUS, _LONGEST = "\N{MINUS SIGN}", 40
_SEPARATED = 10_000


def shown(value, digits: int = 4) -> str:
    """A value in a cell: numbers with so many significant digits, long text cut.

    Parameters
    ----------
    value : object
        A number, text, or None for nothing.
    digits : int, default=4
        Significant digits of numbers that are not whole.

    Examples
    --------
    >>> shown(1234567.0), shown(2024), shown(-0.123456), shown(None), shown(1e-9)
    ('1,234,567', '2024', '\N{MINUS SIGN}0.1235', '', '1e\N{MINUS SIGN}09')
    """
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        text = str(value)
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    number = float(value)
    if math.isnan(number):
        return ""
    if math.isinf(number):
        return "∞" if number > 0 else f"{_MINUS}∞"
    whole = number == round(number) and abs(number) < 1e15
    large = 10**digits <= abs(number) < 1e15
    # Numbers of four digits may be years.
    form = ",.0f" if abs(number) >= _SEPARATED else ".0f"
    text = f"{number:{form}}" if whole or large else f"{number:.{digits}g}"
    return text.replace("-", _MINUS)


def signed(number: float, digits: int = 2) -> str:
    """A number with its sign and so many decimals.

    Examples
    --------
    >>> signed(0.5), signed(-1234.5, 0)
    ('+0.50', '\N{MINUS SIGN}1,234')
    """
    return f"{number:+,.{digits}f}".replace("-", _MINUS)


def fixed(number: float, digits: int = 2) -> str:
    """A number with so many decimals."""
    return signed(number, digits).lstrip("+")


def counted(n: int, noun: str) -> str:
    """A number of things, with the noun in its number.

    Examples
    --------
    >>> counted(1, "row"), counted(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """A share in percent."""
    if math.isnan(share):
        return ""
    return f"{share:.0%}" if share in (0, 1) or share >= 0.1 else f"{share:.1%}"


def ticks(low: float, high: float, n: int = 4) -> list[float]:
    """About n round numbers between two others.

    Examples
    --------
    >>> ticks(0.3, 9.2)
    [2.0, 4.0, 6.0, 8.0]
    """
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    step = 10.0 ** math.floor(math.log10(span / n))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= n + 0.5)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 12) for i in range(int((high / step - first) + 1e-9) + 1)]

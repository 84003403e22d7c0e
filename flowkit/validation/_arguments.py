"""Arguments of methods: how many of something, one of some names, and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral

import numpy as np

from ..exceptions import InvalidDataError
from ._values import shown

# More of anything than there are bytes in an address space.
_MOST = 2**48


def check_count(value, name: str, least: int = 1) -> int:
    """How many of something.

    Parameters
    ----------
    value : int
        As a user gave it.
    name : str
        Of the parameter.
    least : int, default=1
        The fewest.

    Raises
    ------
    InvalidDataError
        If it is no int, less than the fewest, or more than any memory holds.
    """
    if not isinstance(value, Integral) or value < least:
        raise InvalidDataError(f"{name} must be an int of at least {least}, got {shown(value)}.")
    if value > _MOST:
        raise InvalidDataError(
            f"{name} must be at most {_MOST}, got {shown(value)}: ask for them in parts."
        )
    return int(value)


def check_choice(value, name: str, options: Iterable[str]) -> str:
    """One of some names.

    Parameters
    ----------
    value : str
        As a user gave it.
    name : str
        Of the parameter.
    options : iterable of str
        The names.

    Raises
    ------
    InvalidDataError
        If it is none of them.
    """
    options = list(options)
    if not isinstance(value, str) or value not in options:
        known = " or ".join(map(repr, options))
        raise InvalidDataError(f"{name} must be {known}, got {shown(value)}.")
    return value


def check_flag(value, name: str) -> bool:
    """Whether to do something: what Python takes for true or for false.

    Parameters
    ----------
    value : bool
        As a user gave it.
    name : str
        Of the parameter.

    Raises
    ------
    InvalidDataError
        If it is neither, such as an array.
    """
    try:
        return bool(value)
    except Exception:
        raise InvalidDataError(f"{name} must be True or False, got {shown(value)}.") from None


def as_numbers(value) -> np.ndarray | None:
    """A number, or an array of them, in float64; None if it is neither.

    Parameters
    ----------
    value : object
        As a user gave it.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "buifO":
            return None
        with np.errstate(over="ignore"):
            return array.astype(np.float64)
    # Objects raise what they like where they are no numbers.
    except Exception:
        return None

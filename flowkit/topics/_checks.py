"""Checks of parameters that several functions share."""

from __future__ import annotations

import numbers

from ..exceptions import InvalidParameterError


def refuse_small(name: str, value: int, least: int) -> None:
    """Refuse a parameter that is no integer of at least `least`.

    Parameters
    ----------
    name : str
        Name of the parameter.
    value : int
        Its value.
    least : int
        The least value that is allowed.

    Raises
    ------
    InvalidParameterError
        If `value` is no integer, or less than `least`.
    """
    if not isinstance(value, numbers.Integral) or value < least:
        raise InvalidParameterError(
            f"{name}={value!r} is not allowed: {name} must be an integer of at least {least}."
        )

"""Refusals that several functions share."""

from __future__ import annotations

import numbers

from ..exceptions import InvalidParameterError


def refuse_small(name: str, value: int, least: int) -> None:
    """Refuse a parameter that is no whole number of at least `least`.

    Raises
    ------
    InvalidParameterError
        If it is not.
    """
    if not isinstance(value, numbers.Integral) or value < least:
        raise InvalidParameterError(
            f"{name}={value!r} must be a whole number of at least {least}. Set {name} to one."
        )

"""Checks of the options of plots."""

from __future__ import annotations

from numbers import Integral

from ..exceptions import InvalidParameterError


def check_count(name: str, value, least: int, most: int | None = None) -> None:
    """Refuse what is no int in a range.

    Raises
    ------
    InvalidParameterError
        If it is not.
    """
    if not isinstance(value, Integral) or value < least or (most is not None and value > most):
        expected = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InvalidParameterError(f"{name} must be an int {expected}, got {value!r}.")


def check_choice(name: str, value, choices: tuple[str, ...]) -> None:
    """Refuse what is none of the choices.

    Raises
    ------
    InvalidParameterError
        If it is none.
    """
    if value not in choices:
        raise InvalidParameterError(f"{name} must be one of {choices}, got {value!r}.")

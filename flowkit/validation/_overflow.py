"""Rows whose results are too large for numbers, refused by their positions."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ._finite import name_columns


def refuse_overflow(values: np.ndarray, what: str, advice: str, except_for=False) -> np.ndarray:
    """Refuse results that are not finite, and name their rows.

    Parameters
    ----------
    values : ndarray of shape (n, ...)
        Results, a row each.
    what : str
        What overflows, such as ``'the latents'``.
    advice : str
        What to do, or which columns are at fault.
    except_for : ndarray of bool of shape (n,), default=False
        Rows whose results may be anything.

    Returns
    -------
    ndarray of shape (n, ...)
        The values.

    Raises
    ------
    InvalidDataError
        If any are not finite.
    """
    wrong = ~np.isfinite(values).reshape(len(values), -1).all(1) & ~np.asarray(except_for)
    if wrong.any():
        raise InvalidDataError(
            f"{what} of row(s) {name_columns(np.flatnonzero(wrong), None)} overflow "
            f"{values.dtype}: {advice}"
        )
    return values


def cast(values: np.ndarray, dtype, what: str) -> np.ndarray:
    """Finite values in another precision, which may be too low for them.

    Parameters
    ----------
    values : ndarray of shape (n, ...)
        Values, a row each; NaN stays NaN.
    dtype : dtype
        Type of numbers.
    what : str
        What the values are, such as ``'the latents'``.

    Raises
    ------
    InvalidDataError
        If values overflow.
    """
    with np.errstate(over="ignore"):
        out = values.astype(dtype, copy=False)
    return refuse_overflow(
        out, what, "give rows of float64.", np.isnan(values).reshape(len(values), -1).any(1)
    )

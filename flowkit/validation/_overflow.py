"""Rows whose results are too large for numbers, refused by their positions."""

from __future__ import annotations

from collections.abc import Sequence

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


def half_range(X: np.ndarray):
    """Half of the range of each column, which is finite where the range overflows.

    Parameters
    ----------
    X : ndarray of shape (n,) or (n, d)
        Numbers, NaN where values are missing.

    Returns
    -------
    float or ndarray of shape (d,)
        NaN where all are missing.
    """
    return np.fmax.reduce(X) / 2 - np.fmin.reduce(X) / 2


def refuse_wide(X, names: Sequence | None = None) -> None:
    """Refuse columns whose range overflows: distances of their rows would be infinite or NaN.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows, NaN where values are missing. Those of other types than float are not looked at.
    names : sequence or None, default=None
        Names of the columns.

    Raises
    ------
    InvalidDataError
        If any column is too wide.
    """
    if not len(X) or X.dtype.kind != "f":
        return
    wide = np.flatnonzero(half_range(X) > np.finfo(X.dtype).max / 2)
    if wide.size:
        raise InvalidDataError(
            f"the values of column(s) {name_columns(wide, names)} lie too far apart: their range "
            f"overflows {X.dtype}. Rescale these columns."
        )


def middle_of(draws: np.ndarray, statistic: str) -> np.ndarray:
    """Mean or median of draws, also where their sum overflows.

    Parameters
    ----------
    draws : ndarray of shape (n_draws, ...)
        Draws.
    statistic : {'mean', 'median'}
        Which of the two.

    Returns
    -------
    ndarray of shape (...)
        The mean or median.
    """
    summary = np.mean if statistic == "mean" else np.median
    with np.errstate(over="ignore", invalid="ignore"):
        value = summary(draws, 0)
        if np.isfinite(value).all():
            return value
        return np.where(np.isfinite(value), value, len(draws) * summary(draws / len(draws), 0))


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

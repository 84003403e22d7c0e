"""Temperatures of draws, validated."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ..validation import as_numbers, shown


def check_temperature(temperature, n_levels: int | None = None) -> np.ndarray:
    """What standard deviations of latents are multiplied by.

    Parameters
    ----------
    temperature : float or array-like of shape (n_levels,)
        As the user gave it; one for each level only where there are levels.
    n_levels : int or None, default=None
        Number of levels; None where latents have none.

    Returns
    -------
    ndarray of shape () or (n_levels,)
        Float64.

    Raises
    ------
    InvalidDataError
        If it is negative, not finite, no number, or there is another number of them.
    """
    shape = () if n_levels is None else (n_levels,)
    values = as_numbers(temperature)
    fits = values is not None and values.shape in ((), shape)
    if not fits or not (np.isfinite(values) & (values >= 0)).all():
        many = "" if n_levels is None else f", or {n_levels} of them, one for each level"
        raise InvalidDataError(
            f"temperature must be a non-negative number{many}; got {shown(temperature)}. 1 draws "
            "from the density itself."
        )
    return np.broadcast_to(values, shape)

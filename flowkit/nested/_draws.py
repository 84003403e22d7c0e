"""Draws from any density: some take a source of randomness, some hold one."""

from __future__ import annotations

import copy
from inspect import signature

import numpy as np

from ..exceptions import InvalidParameterError
from ..validation import check_count
from ._unwrap import stood_for


def draw_from(density, n: int, rng: int | np.random.RandomState, dtype=np.float64) -> np.ndarray:
    """Draw rows from any density.

    Parameters
    ----------
    density : estimator
        Fitted; `can_be_drawn_from` is true of it. It is left as it is.
    n : int
        Number of draws.
    rng : int or RandomState
        Source of randomness; the density gets it as it is.
    dtype : type or None, default=np.float64
        Type of the draws; ``object`` where some values are not numbers. None leaves the draws as
        the density gives them, which may be a DataFrame.

    Returns
    -------
    ndarray or DataFrame of shape (n, n_features)
        The draws.

    Raises
    ------
    InvalidParameterError
        If it has `sample`, but none for what it is: `sklearn.neighbors.KernelDensity` draws from
        some kernels only.
    """
    density = stood_for(density)
    try:
        rows = _drawn(density, n, rng)
    except NotImplementedError as error:
        raise InvalidParameterError(
            f"density {density} cannot be sampled. Use one that can, such as FlowDensity."
        ) from error
    # Mixtures return the components as well.
    rows = rows[0] if isinstance(rows, tuple) else rows
    return rows if dtype is None else np.asarray(rows, dtype=dtype)


def _drawn(density, n, rng):
    if "random_state" in signature(density.sample).parameters:
        return density.sample(n, random_state=rng)
    # The seed is set on a copy, so that the density given keeps its own.
    density = copy.copy(density)
    density.random_state = rng
    return density.sample(n)


def can_be_drawn_from(density) -> bool:
    """Whether a density has `sample`, or stands for one that has.

    Parameters
    ----------
    density : estimator
        Any one, fitted or not.

    Returns
    -------
    bool
        True if `draw_from` takes it.
    """
    return hasattr(stood_for(density), "sample")


def check_n_samples(n_samples) -> int:
    """Number of rows to draw.

    Parameters
    ----------
    n_samples : int
        As given by a user.

    Returns
    -------
    int
        The number.

    Raises
    ------
    InvalidDataError
        If it is not an int of at least 1, or more than any memory holds.
    """
    return check_count(n_samples, "n_samples")

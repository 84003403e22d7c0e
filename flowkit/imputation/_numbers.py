"""Missing numbers, filled from draws."""

from __future__ import annotations

import numpy as np

from ..validation import container_of, middle_of, refuse_overflow
from ._pool import Pool, incomplete_parts


def fill_numbers(pool: Pool, X, read, statistic: str, n_draws: int, rng):
    """X with its holes filled, in its own container.

    Parameters
    ----------
    pool : Pool
        Where draws come from.
    X : array-like or DataFrame of shape (n_samples, n_features)
        As it was given.
    read : ndarray or DataFrame of shape (n_samples, n_features)
        The same in float64, NaN where values are missing, as densities take it.
    statistic : {'mean', 'median', 'draw'}
        What of the draws is filled in.
    n_draws : int
        Draws of each row; the first is filled in for 'draw'.
    rng : RandomState
        Source of randomness.
    """
    rows = np.asarray(read, dtype=np.float64)
    missing = np.isnan(rows)
    values = rows.copy()
    for part, some in incomplete_parts(read, n_draws):
        if statistic == "mean":
            values[part] = pool.means(some, n_draws, rng)
        else:
            draws = pool.draws(some, n_draws, rng)
            values[part] = draws[0] if statistic == "draw" else middle_of(draws, statistic)
    _refuse_overflow(values)
    holes = {j: np.flatnonzero(missing[:, j]) for j in np.flatnonzero(missing.any(0))}
    return _container(X).filled({j: (where, values[where, j]) for j, where in holes.items()})


def draw_numbers(pool: Pool, read, n_draws: int, rng) -> np.ndarray:
    """Copies of rows with draws in place of holes.

    Parameters
    ----------
    pool, read, n_draws, rng : object
        As in `fill_numbers`.

    Returns
    -------
    ndarray of shape (n_draws, n_samples, n_features)
        The copies.
    """
    copies = np.repeat(np.asarray(read, dtype=np.float64)[None], n_draws, 0)
    for part, some in incomplete_parts(read, n_draws):
        copies[:, part] = pool.draws(some, n_draws, rng)
    _refuse_overflow(copies.swapaxes(0, 1))
    return copies


def _refuse_overflow(values):
    refuse_overflow(
        values,
        "the values filled in",
        "what is known of these rows is too far away from all training rows. Leave them out, or "
        "rescale X.",
    )


def _container(X):
    container = container_of(X)
    if container.is_frame:
        return container
    rows = np.asarray(X)
    return container_of(rows if rows.dtype.kind == "f" else rows.astype(np.float64))

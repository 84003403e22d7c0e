"""Missing numbers, filled from a density of rows of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..conditions import N_CANDIDATES, questions_of
from ..validation import container_of, middle_of, refuse_overflow, row_blocks

# Values that are drawn at once.
_MAX_VALUES = 2**22


def fill_numbers(density: Any, X, read, statistic: str, n_draws: int, rng):
    """X with its holes filled, in its own container.

    Parameters
    ----------
    density : estimator
        Fitted, of rows of numbers.
    X : array-like or DataFrame of shape (n_samples, n_features)
        As it was given.
    read : ndarray or DataFrame of shape (n_samples, n_features)
        The same in float64, NaN where values are missing, as the density takes it.
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
    index = np.flatnonzero(missing.any(1))
    for block in row_blocks(len(index), max(1, _MAX_VALUES // (n_draws * rows.shape[1]))):
        part = index[block]
        draws = _draws(density, container_of(read).like(rows[part]), n_draws, rng)
        values[part] = draws[0] if statistic == "draw" else middle_of(draws, statistic)
    refuse_overflow(
        values,
        "the values filled in",
        "what is known of these rows is too far away from all training rows. Leave them out, or "
        "rescale X.",
    )
    holes = {j: np.flatnonzero(missing[:, j]) for j in np.flatnonzero(missing.any(0))}
    return _container(X).filled({j: (where, values[where, j]) for j, where in holes.items()})


def _container(X):
    container = container_of(X)
    if container.is_frame:
        return container
    rows = np.asarray(X)
    return container_of(rows if rows.dtype.kind == "f" else rows.astype(np.float64))


def _draws(density, rows, n_draws, rng):
    """Draws of what is missing, (n_draws, n, d)."""
    if hasattr(density, "impute"):
        return density.impute(rows, n_draws, rng)
    rows = np.asarray(rows)
    return questions_of(density).draws(rows, n_draws, rng, N_CANDIDATES)[0].swapaxes(0, 1)

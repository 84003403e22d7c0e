"""Rows drawn for a search, by their weights."""

from __future__ import annotations

import numpy as np

# Rows that a search looks at; more change what is found little and cost much.
_MAX_ROWS = 5_000


def draw_rows(
    n: int, weight: np.ndarray | None, rng: np.random.RandomState, max_rows: int = _MAX_ROWS
) -> np.ndarray:
    """Indices of rows for a search, each as often as its weight says.

    Parameters
    ----------
    n : int
        Number of rows.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    rng : RandomState
        Source of randomness.
    max_rows : int, default=5000
        Most rows drawn.

    Returns
    -------
    ndarray of int
        All rows in order where there are few and of one weight.
    """
    n_drawn = min(n, max_rows)
    if weight is None or np.ptp(weight) == 0:
        return np.arange(n) if n <= max_rows else rng.choice(n, size=n_drawn, replace=False)
    # Even steps through the cumulative weights repeat no row that weighs no more than others.
    steps = (np.arange(n_drawn) + rng.uniform()) / n_drawn
    order = rng.permutation(n)
    cumulative = np.cumsum(weight[order])
    chosen = order[np.searchsorted(cumulative, steps * cumulative[-1])]
    return np.sort(chosen)

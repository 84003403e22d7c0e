"""Rows that stand for all rows of a detector."""

from __future__ import annotations

import numpy as np

from ._weights import row_counts

# Rows on which what is typical is measured.
_MAX_REFERENCE_ROWS = 2_000


def reference_positions(
    n: int, rng: np.random.RandomState, weight=None, most: int = _MAX_REFERENCE_ROWS
) -> np.ndarray:
    """Positions of rows that stand for all of them, such as those that are typical.

    Parameters
    ----------
    n : int
        Number of rows.
    rng : RandomState
        Source of randomness.
    weight : ndarray of shape (n,), default=None
        Weights of the rows; a position is repeated as often as they say.
    most : int, default=2000
        Largest number of positions.

    Returns
    -------
    ndarray of int
        Positions, in random order.
    """
    order = rng.permutation(n)
    if weight is None:
        return order[:most]
    cumulative = np.cumsum(row_counts(n, weight)[order])
    n_drawn = min(max(n, round(cumulative[-1])), most)
    # Even steps through whole weights repeat each row exactly.
    steps = (np.arange(n_drawn) + rng.uniform()) * (cumulative[-1] / n_drawn)
    drawn = np.searchsorted(cumulative, steps, side="right").clip(max=n - 1)
    return order[rng.permutation(drawn)]

"""Which scores are the same: those of one row differ a little with the rows beside it."""

from __future__ import annotations

import numpy as np

# Scores of one row differ by less: in nats, and relative to their size.
_ROUNDING, _RELATIVE_ROUNDING = 1e-7, 1e-10


def less_rounding(scores):
    """The lowest numbers that are the same scores but for rounding.

    Parameters
    ----------
    scores : ndarray or float
        Scores.

    Returns
    -------
    ndarray or float
        A little lower: the same rows score at least that much, rows with clearly lower scores less.
    """
    finite = np.isfinite(scores)
    with np.errstate(over="ignore", invalid="ignore"):
        lower = scores - (_ROUNDING + _RELATIVE_ROUNDING * np.abs(scores))
    # A finite threshold stays one.
    return np.where(finite, np.maximum(lower, np.finfo(np.float64).min), scores)[()]


def first_of_equals(ordered) -> np.ndarray:
    """Positions in ordered scores at which a new score begins; those between are the same."""
    lowest = less_rounding(ordered)
    first, start = [], 0
    # Compared with the first of each run: chained from row to row, dense scores would all be one.
    while start < len(ordered):
        first.append(start)
        start = int(np.searchsorted(lowest, ordered[start], side="right"))
    return np.array(first)

"""Empty stretches between values far away and all others, which are made shorter."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

# Column; ends in units of X; ends where it is shortened; whether it lies above the other values.
Gap = tuple[int, float, float, float, float, bool]

# What is left of a gap, and of the distance from the values on both sides, in their spread.
_WIDTH, _MARGIN = 2.0, 4.0


def shorten(X: np.ndarray, gaps: list[Gap]) -> np.ndarray:
    """Rows on axes whose gaps are shortened; all others move as a whole.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows; values may be missing.
    gaps : list of Gap
        The gaps.

    Returns
    -------
    ndarray of shape (n, d)
        Rows as a flow sees them.
    """
    return _moved(X, [(j, low, high, to - start, above) for j, low, high, start, to, above in gaps])


def lengthen(U: np.ndarray, gaps: list[Gap]) -> np.ndarray:
    """Inverse of `shorten`, along the last axis."""
    return _moved(U, [(j, start, to, high - low, above) for j, low, high, start, to, above in gaps])


def log_lengths(U: np.ndarray, gaps: list[Gap]) -> np.ndarray:
    """Log of the length in X of a unit of each column, at shortened rows."""
    logs = np.zeros(U.shape)
    for j, low, high, start, to, _ in gaps:
        inside = (start < U[..., j]) & (U[..., j] < to)
        logs[..., j][inside] += np.log((high - low) / (to - start))
    return logs


def find_gaps(
    index: int, values: np.ndarray, far: np.ndarray, near: slice, unit: float
) -> list[Gap]:
    """Gaps of a column, a margin away from the values on both sides.

    Parameters
    ----------
    index : int
        Number of the column.
    values : ndarray of shape (k,)
        Its different values in order.
    far : ndarray of bool of shape (k,)
        Which lie far away and are worth it.
    near : slice
        Which are all others.
    unit : float
        Spread of those.

    Returns
    -------
    list of Gap
        Those that become shorter.
    """
    margin, width = _MARGIN * unit, _WIDTH * unit
    gaps = []
    for above in (False, True):
        # From the others outwards.
        order = np.arange(near.stop - 1, len(values)) if above else np.arange(near.start, -1, -1)
        order = order[: np.flatnonzero(far[order]).max(initial=0) + 1]
        moved = 0.0
        for inner, outer in pairwise(order):
            low, high = sorted((values[inner], values[outer]))
            low, high = float(low + margin), float(high - margin)
            if high - low > width:
                saved = high - low - width
                start = low - moved if above else high + moved - width
                gaps.append((index, low, high, start, start + width, above))
                moved += saved
    return gaps


def _moved(X, stretches):
    """Rows whose values beyond the near end of a stretch move by what its length changes."""
    if not stretches:
        return X
    moved = X.copy()
    for j, low, high, length, above in stretches:
        x, factor = X[..., j], length / (high - low) - 1
        if above:
            moved[..., j] += factor * np.clip(x - low, 0, high - low)
        else:
            moved[..., j] -= factor * np.clip(high - x, 0, high - low)
    return moved

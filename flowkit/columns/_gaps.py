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
    return _moved(X, gaps)


def lengthen(U: np.ndarray, gaps: list[Gap]) -> np.ndarray:
    """Inverse of `shorten`, along the last axis."""
    return _moved(U, [(j, start, to, low, high, above) for j, low, high, start, to, above in gaps])


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
    margin, width = float(_MARGIN * unit), float(_WIDTH * unit)
    gaps = []
    for above in (False, True):
        # From the others outwards.
        order = np.arange(near.stop - 1, len(values)) if above else np.arange(near.start, -1, -1)
        order = order[: np.flatnonzero(far[order]).max(initial=0) + 1]
        # Where the values between two gaps come to lie: far out, sums would leave no digits.
        place = image = 0.0
        for inner, outer in pairwise(order):
            low, high = sorted((values[inner], values[outer]))
            low, high = float(low + margin), float(high - margin)
            if high - low > width:
                if above:
                    start = image + (low - place)
                    gaps.append((index, low, high, start, start + width, above))
                    place, image = high, start + width
                else:
                    to = image + (high - place)
                    gaps.append((index, low, high, to - width, to, above))
                    place, image = low, to - width
    return gaps


def _moved(X, stretches):
    """Rows of which each stretch takes another place, and what lies beyond it moves along."""
    if not stretches:
        return X
    moved = X.copy()
    for j, low, high, start, to, above in stretches:
        x = X[..., j]
        inside = (low < x) & (x < high)
        within = start + (x[inside] - low) * ((to - start) / (high - low))
        beyond, end, image = (x >= high, high, to) if above else (x <= low, low, start)
        moved[..., j][beyond] = image + (x[beyond] - end)
        moved[..., j][inside] = within
    return moved

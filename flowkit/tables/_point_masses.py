"""Values of a column of numbers that so many rows share that they have a probability."""

from __future__ import annotations

import numpy as np

from ..validation import half_range
from ._column_lattice import Lattice

# A value is a point mass if this share of the rows holds it, and so many times as many as any
# other. `find_ties` names values from 1 %, but only where the values around them do not repeat;
# here the others may repeat, as whole numbers do, and 1 % of the rows may be chance.
_HEAVY_SHARE, _HEAVY_RATIO = 0.05, 10
# Whole numbers that spread over more cells than this are treated as real ones.
MANY_CELLS = 50


def common_values(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values that at least 5 % of the rows hold, and their shares.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Numbers, none missing.

    Returns
    -------
    values : ndarray of shape (k,)
        These values, rising.
    shares : ndarray of shape (k,)
        The share of the rows of each.
    """
    values, counts = np.unique(x, return_counts=True)
    heavy = counts >= _HEAVY_SHARE * len(x)
    return values[heavy], counts[heavy] / len(x)


def point_masses(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Common values while all others hardly repeat, and their shares, as `common_values`.

    There are none where all values are common.
    """
    values, counts = np.unique(x, return_counts=True)
    heavy = counts >= _HEAVY_SHARE * len(x)
    if heavy.all():
        heavy[:] = False
    elif heavy.any():
        # A peak has slopes, a point mass has none.
        heavy &= counts >= _HEAVY_RATIO * counts[~heavy].max()
    return values[heavy], counts[heavy] / len(x)


def spreads_finely(x: np.ndarray, whole: bool) -> bool:
    """Whether numbers are real, or whole ones in more than 50 cells."""
    if not whole:
        return True
    step = Lattice.of_whole(x).distance
    return bool(half_range(x) > MANY_CELLS / 2 * step and len(np.unique(x)) > MANY_CELLS)

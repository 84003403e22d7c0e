"""Columns that run with the rows of a table: indices and clocks."""

from __future__ import annotations

import numpy as np

from ...validation import half_range

_FEWEST_ROWS = 50
# Distinct whole numbers that fill this share of their range count rows.
_INDEX_SHARE = 0.5


def is_running(x: np.ndarray, holds_dates: bool) -> bool:
    """Whether a column counts rows, or tells when they came.

    It does if its numbers are whole, distinct, and either dense, in any order, or all in order; or
    if they are dates in order. What comes after training is then beyond its range, which says
    nothing of a row.

    Parameters
    ----------
    x : ndarray of shape (n,)
        The column as numbers, NaN where it has none.
    holds_dates : bool
        Whether these are dates, several of which may be the same.
    """
    if not np.isfinite(x).all():
        return False
    n_distinct = len(np.unique(x))
    if n_distinct < _FEWEST_ROWS:
        return False
    is_ordered = bool((x[1:] >= x[:-1]).all() or (x[1:] <= x[:-1]).all())
    if holds_dates and is_ordered:
        return True
    if n_distinct < len(x) or not (x == np.rint(x)).all():
        return False
    return is_ordered or bool(len(x) / 2 > _INDEX_SHARE * (half_range(x) + 0.5))

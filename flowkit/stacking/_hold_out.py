"""Which rows members are fitted to, and which they are weighted by."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np

from ..exceptions import InvalidDataError
from ._given_splits import given_splits
from ._identical_rows import labels_of_copies

_N_FOLDS = 5
_MIN_ROWS = 2


def hold_out(cv, X, kept: np.ndarray, rng: np.random.RandomState) -> list[tuple]:
    """Positions of the rows to fit to, and of those held out, for each split.

    Parameters
    ----------
    cv : int, float, splitter, iterable or None
        Number of folds, share of the rows that are held out once, or what scikit-learn takes.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows.
    kept : ndarray of int
        Positions of the rows that have a weight, in order.
    rng : RandomState
        Source of randomness of folds and shares.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        The splits; at least one row is held out in each. Folds and shares keep rows that are copies
        of each other together.

    Raises
    ------
    InvalidParameterError
        If `cv` gives no splits of the rows.
    InvalidDataError
        If there are too few rows to hold any out.
    """
    if cv is not None and not isinstance(cv, Real):
        return given_splits(cv, X, kept)
    n = len(kept)
    if n < _MIN_ROWS:
        raise InvalidDataError(
            f"weights of members need at least {_MIN_ROWS} rows, of which some are held out of "
            f"training, got n_samples={n}: give more rows, or set cv='prefit'."
        )
    order, ends = _with_copies_together(labels_of_copies(X, kept), rng)
    order = kept[order]
    if cv is None or isinstance(cv, Integral):
        sizes = [len(part) for part in np.array_split(order, min(cv or _N_FOLDS, n))]
        parts = np.split(order, _last_ends(ends, np.cumsum(sizes)[:-1]))
    else:
        (cut,) = _last_ends(ends, [min(max(1, round(cv * n)), n - 1)])
        parts = [order[:cut]]
    return [(np.setdiff1d(kept, part), np.sort(part)) for part in parts]


def _with_copies_together(labels, rng):
    """Rows in random order, those of one label next to each other, and where labels end."""
    order = rng.permutation(len(labels))
    _, first, inverse = np.unique(labels[order], return_index=True, return_inverse=True)
    order = order[np.argsort(first[inverse], kind="stable")]
    is_last = np.append(np.diff(labels[order]) != 0, True)
    return order, np.flatnonzero(is_last) + 1


def _last_ends(ends, cuts):
    """For each cut the last end before it, or the first end; each once."""
    before = np.searchsorted(ends, cuts, side="right") - 1
    return np.unique(ends[np.maximum(before, 0)])

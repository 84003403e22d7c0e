"""Which rows members are fitted to, and which they are weighted by."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.validation import _num_samples

from ..exceptions import InvalidDataError

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
        The splits; at least one row is held out in each.

    Raises
    ------
    InvalidDataError
        If there are too few rows to hold any out.
    """
    if cv is not None and not isinstance(cv, Real):
        return _given_splits(cv, X, kept)
    n = len(kept)
    if n < _MIN_ROWS:
        raise InvalidDataError(
            f"weights of members need at least {_MIN_ROWS} rows, of which some are held out of "
            f"training, got n_samples={n}: give more rows, or set cv='prefit'."
        )
    order = rng.permutation(kept)
    if cv is None or isinstance(cv, Integral):
        parts = np.array_split(order, min(cv or _N_FOLDS, n))
    else:
        parts = [order[: min(max(1, round(cv * n)), n - 1)]]
    return [(np.setdiff1d(kept, part), np.sort(part)) for part in parts]


def _given_splits(cv, X, kept):
    rows = np.arange(_num_samples(X))
    has_weight = np.isin(rows, kept)
    splits = []
    for split in check_cv(cv).split(X):
        # Positions may be given as masks.
        training, held_out = (rows[np.asarray(part)] for part in split)
        if has_weight[held_out].any():
            splits.append((training[has_weight[training]], held_out[has_weight[held_out]]))
    if not splits:
        raise InvalidDataError(
            f"cv={cv!r} holds out no row of positive weight: give splits with rows to hold out."
        )
    return splits

"""Rows as a detector takes them: arrays, or tables whose values only the density knows."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import _check_feature_names, _check_n_features

from ..exceptions import InvalidDataError
from ..validation import check_labels, container_of, is_frame, keep_types
from ._weights import row_counts

# Rows on which what is typical is measured.
_MAX_REFERENCE_ROWS = 2_000


def read_rows(detector, X, reset: bool):
    """Rows as a density can take them, their names kept or compared.

    Parameters
    ----------
    detector : estimator
        Its fitted attributes hold the names and the number of the columns.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows. Values are left to the density, which knows what they can be.
    reset : bool
        Whether to keep the names and the number, or to compare them.

    Returns
    -------
    ndarray or pandas DataFrame of shape (n_samples, n_features)
        The rows.

    Raises
    ------
    InvalidDataError
        If columns have other names than in training, or several have one name, or there are no
        rows or columns.
    """
    checked = check_labels(detector, X, reset)
    X = container_of(X).to_pandas_or_array()
    if is_frame(X):
        _refuse_empty(X)
    else:
        X = keep_types(X)
        X = check_array(X, dtype=None, ensure_all_finite=False, estimator=detector)
        if X.dtype.kind in "iu":
            # Some densities round their scores to the type of the rows.
            X = X.astype(np.float64)
    _check_feature_names(detector, checked, reset=reset)
    _check_n_features(detector, X, reset=reset)
    return X


def _refuse_empty(X):
    for size, parts in zip(X.shape, ("rows", "columns"), strict=True):
        if not size:
            raise InvalidDataError(
                f"X is a table of shape {X.shape}: it has no {parts}; give at least one."
            )


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

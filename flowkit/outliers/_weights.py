"""Weights of rows: which rows they leave, and how many rows each of these stands for."""

from __future__ import annotations

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..exceptions import InvalidDataError
from ..nested import require_weights
from ..validation import check_sample_weight, typed_errors

# Losses of single precision, and their gradients, hold weights between these.
_LEAST_WEIGHT, _LARGEST_WEIGHT = 1e-25, 1e25


def weighted_rows(X, sample_weight, densities):
    """Rows of positive weight, and their weights.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows.
    sample_weight : array-like of shape (n_samples,) or None
        Weights as they were given.
    densities : list of estimators
        Must take weights, too.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_positive, n_features)
        The rows whose weight is not zero, in order.
    weight : ndarray of shape (n_positive,) or None
        Their weights, None where none are given.

    Raises
    ------
    InvalidDataError
        If all weights are zero, or some are too small or too large to be summed.
    InvalidParameterError
        If a density takes no weights.
    """
    if sample_weight is None:
        return X, None
    with typed_errors("sample_weight"):
        is_zero = not np.asarray(sample_weight).any()
    if is_zero:
        raise InvalidDataError(
            "sample_weight is zero for all rows, so there is none to fit: give some rows a "
            "positive weight."
        )
    weight = check_sample_weight(sample_weight, _num_samples(X))
    kept = np.flatnonzero(weight)
    low, high = weight[kept].min(), weight[kept].max()
    if low < _LEAST_WEIGHT or high > _LARGEST_WEIGHT:
        raise InvalidDataError(
            f"positive sample_weight must be from {_LEAST_WEIGHT:g} to {_LARGEST_WEIGHT:g}, as "
            f"sums of others are lost, got {low:g} to {high:g}: scale them all by one factor, or "
            "set those that are next to nothing to zero."
        )
    for density in densities:
        require_weights(density)
    return _safe_indexing(X, kept), weight[kept]


def select_weights(weight, positions):
    """Weights of the rows at some positions, None where there are none."""
    return None if weight is None else weight[positions]


def row_counts(n: int, weight) -> np.ndarray:
    """How many rows each row stands for.

    Parameters
    ----------
    n : int
        Number of rows.
    weight : ndarray of shape (n,) or None
        Their weights, positive.

    Returns
    -------
    ndarray of shape (n,)
        The weights; larger ones where these sum to fewer rows than there are.
    """
    if weight is None:
        return np.ones(n)
    return weight * max(1.0, n / weight.sum())

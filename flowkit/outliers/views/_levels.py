"""Codes of levels as columns of zeros and ones."""

from __future__ import annotations

import numpy as np

from ...exceptions import InvalidParameterError

# More columns would drown those of numbers, and cost.
_MOST_LEVELS = 20


class LevelColumns:
    """Columns of numbers as they are, and columns of zeros and ones for levels.

    The most frequent levels of a column have one each, all others share one.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows, levels as codes.
    is_level : ndarray of bool of shape (n_features,)
        Which columns hold codes.
    """

    def __init__(self, X: np.ndarray, is_level: np.ndarray):
        self._is_level = is_level
        self._codes = [_frequent(x) for x in X[:, is_level].T]

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Rows, shape (n_samples, n_columns)."""
        levels = zip(X[:, self._is_level].T, self._codes, strict=True)
        return np.hstack([X[:, ~self._is_level], *(_indicators(x, *codes) for x, codes in levels)])

    def names(self, labels) -> list:
        """Names of the columns that these become: those of a column's levels are its own."""
        labels = np.asarray(labels, dtype=object)
        levels = zip(labels[self._is_level], self._codes, strict=True)
        of_levels = [[name] * (len(codes) + others) for name, (codes, others) in levels]
        return [*labels[~self._is_level], *sum(of_levels, [])]


def _frequent(x):
    """Codes of the most frequent levels, and whether training has others."""
    codes, counts = np.unique(x, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return np.sort(codes[order[:_MOST_LEVELS]]), len(codes) > _MOST_LEVELS


def _indicators(x, codes, others):
    known = x[:, None] == codes
    # A code that training lacks is zero everywhere, if all levels have a column.
    return np.hstack([known, ~known.any(1, keepdims=True)]) if others else known


def level_mask(categorical_features, n_features: int) -> np.ndarray:
    """Which columns hold codes of levels.

    Parameters
    ----------
    categorical_features : array-like or None
        A mask, or positions.
    n_features : int
        Number of columns.

    Returns
    -------
    ndarray of bool of shape (n_features,)
        The mask.

    Raises
    ------
    InvalidParameterError
        If it is neither.
    """
    mask = np.zeros(n_features, dtype=bool)
    if categorical_features is None:
        return mask
    given = np.asarray(categorical_features)
    if not given.size and given.ndim == 1:
        return mask
    is_mask = given.dtype == bool and given.shape == (n_features,)
    are_positions = given.dtype.kind in "iu" and given.ndim == 1
    if not is_mask and not (are_positions and ((given >= 0) & (given < n_features)).all()):
        raise InvalidParameterError(
            f"categorical_features must be a mask of {n_features} booleans or positions from 0 to "
            f"{n_features - 1}, one for each column with codes, got {categorical_features!r}."
        )
    mask[given] = True
    return mask

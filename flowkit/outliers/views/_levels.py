"""Codes of levels as columns of zeros and ones."""

from __future__ import annotations

import numpy as np


class LevelColumns:
    """Columns of numbers as they are, and a column of zeros and ones for each level.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows, levels as codes.
    is_level : ndarray of bool of shape (n_features,)
        Which columns hold codes.
    """

    def __init__(self, X: np.ndarray, is_level: np.ndarray):
        self._is_level = is_level
        self._codes = [np.unique(x) for x in X[:, is_level].T]

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Rows, shape (n_samples, n_columns); a code that training lacks is zero everywhere."""
        levels = zip(X[:, self._is_level].T, self._codes, strict=True)
        return np.hstack([X[:, ~self._is_level], *(x[:, None] == codes for x, codes in levels)])


def level_mask(categorical_features, n_features: int) -> np.ndarray:
    """Which columns hold codes of levels, shape (n_features,), from a mask, positions or None."""
    mask = np.zeros(n_features, dtype=bool)
    if categorical_features is not None:
        mask[np.asarray(categorical_features)] = True
    return mask

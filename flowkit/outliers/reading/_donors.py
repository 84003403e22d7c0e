"""Missing numbers, taken from the training row that is most alike."""

from __future__ import annotations

import numpy as np
from sklearn.utils import gen_batches

from ..views import NormalScores

# Complete rows that are enough to take values from.
_ENOUGH_ROWS = 20
# How many rows are kept for it, and how many numbers where these limits allow.
_LEAST_KEPT, _MOST_KEPT, _NUMBERS_KEPT = 50, 1000, 10_000
# Differences that are held in memory at once.
_MOST_DIFFERENCES = 500_000
# Squared difference of two levels: that of the normal scores of two independent numbers.
_OF_LEVELS = np.float32(2.0)


class Donors:
    """Rows of training that lend their values to incomplete ones.

    An incomplete row gets all that it lacks from one donor, so that its values go together: the
    one whose normal scores and levels are nearest in the columns that the row has. Donors are
    complete, or, where training has few such rows, those that lack least, with medians.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_columns)
        Training rows: numbers, NaN where one is missing, and codes of levels.
    is_level : ndarray of bool of shape (n_columns,)
        Which columns hold codes.
    """

    def __init__(self, X: np.ndarray, is_level: np.ndarray):
        self._is_level = is_level
        self._medians = np.nanmedian(X, axis=0)
        n_missing = np.isnan(X).sum(1)
        few = np.sort(n_missing)[min(len(X), _ENOUGH_ROWS) - 1]
        rows = np.flatnonzero(n_missing <= few)
        n_kept = np.clip(_NUMBERS_KEPT // X.shape[1], _LEAST_KEPT, _MOST_KEPT)
        if len(rows) > n_kept:
            rows = rows[np.linspace(0, len(rows) - 1, n_kept).astype(int)]
        self._rows = np.where(np.isnan(X[rows]), self._medians, X[rows])
        self._normal_scores = NormalScores(self._rows)
        self._compared = self._comparable(self._rows)

    def complete(self, X: np.ndarray) -> np.ndarray:
        """Rows of which none is incomplete.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_columns)
            Rows like those of training.

        Returns
        -------
        ndarray of shape (n_samples, n_columns)
            The rows, without NaN.
        """
        incomplete = np.flatnonzero(np.isnan(X).any(1))
        if not incomplete.size:
            return X
        X = X.copy()
        gaps = np.isnan(X[incomplete])
        compared = self._comparable(np.where(gaps, self._medians, X[incomplete]))
        patterns, index = np.unique(gaps, axis=0, return_inverse=True)
        index = index.ravel()
        members = np.split(np.argsort(index, kind="stable"), np.cumsum(np.bincount(index))[:-1])
        for missing, alike in zip(patterns, members, strict=True):
            X[np.ix_(incomplete[alike], missing)] = self._lent(compared[alike], missing)
        return X

    def _lent(self, compared, missing):
        """What rows that lack the same columns get for these."""
        if missing.all():
            return self._medians
        compared, of_donors = compared[:, ~missing], self._compared[:, ~missing]
        is_level = self._is_level[~missing]
        nearest = np.empty(len(compared), dtype=int)
        for part in gen_batches(len(compared), max(1, _MOST_DIFFERENCES // of_donors.size)):
            squares = (compared[part, None] - of_donors) ** 2
            squares[..., is_level] = _OF_LEVELS * (squares[..., is_level] > 0)
            nearest[part] = squares.sum(2).argmin(1)
        return self._rows[nearest][:, missing]

    def _comparable(self, X):
        return np.where(self._is_level, X, self._normal_scores(X)).astype(np.float32)

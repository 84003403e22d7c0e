"""Scores of rows with missing values, in the units of complete ones.

The density of fewer columns is in other units. A row competes on what is known of it: it gets the
score of the complete rows that are as strange among these as it is among rows of which the same is
known.
"""

from __future__ import annotations

from inspect import signature

import numpy as np
from sklearn.utils import _safe_indexing, get_tags

from ..nested._copies import score_copies
from ._conditional_effects import is_missing
from ._parts import innermost
from ._tails import first_of_equals, spread_of

# Rows that others are compared with, and draws by which each is scored without some columns: what
# a pattern of missing columns costs.
_N_REFERENCES, _N_DRAWS = 256, 32
# With fewer complete training rows, draws of the density take their place.
_LEAST_REFERENCES = 100
# Patterns of the training rows whose comparison is kept.
_MAX_KEPT = 100


class IncompleteScores:
    """Which scores of complete rows those of incomplete ones stand for, under one density.

    Parameters
    ----------
    density : estimator
        Fitted; takes missing values.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Training rows in random order, not all of them.
    """

    def __init__(self, density, X):
        missing = is_missing(X)
        self._rows = _complete(density, X, missing)
        self._kept = {}
        if self._rows is None:
            return
        self._scores = score_copies(density, self._rows, self._rows)
        patterns, counts = np.unique(missing, axis=0, return_counts=True)
        for pattern in patterns[np.argsort(-counts, kind="stable")[:_MAX_KEPT]]:
            if pattern.any():
                self._kept[pattern.tobytes()] = self._scores_without(density, pattern)

    def __call__(self, density, X, scores) -> np.ndarray:
        """Scores of rows in the units of complete ones.

        Parameters
        ----------
        density : estimator
            The density.
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        scores : ndarray of shape (n_samples,)
            Their log densities, of what is known of each.

        Returns
        -------
        ndarray of shape (n_samples,)
            Those of complete rows as they are.
        """
        missing = is_missing(X)
        if self._rows is None or not missing.any():
            return scores
        scores = scores.copy()
        patterns, group = np.unique(missing, axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            if pattern.any():
                known = self._kept.get(pattern.tobytes())
                known = self._scores_without(density, pattern) if known is None else known
                rows = group.reshape(-1) == i
                scores[rows] = _as_strange(scores[rows], known, self._scores)
        return scores

    def _scores_without(self, density, pattern):
        """Scores of the rows that others are compared with, as if columns were missing in them."""
        return score_copies(density, _blanked(self._rows, pattern), self._rows, _N_DRAWS)


def allows_missing(density) -> bool:
    """Whether a fitted density says that values may be missing, behind all that wraps it."""
    density = innermost(density)
    return hasattr(density, "__sklearn_tags__") and get_tags(density).input_tags.allow_nan


def _as_strange(scores, known, complete):
    """Scores of complete rows that have the same share of them below as others have."""
    both = np.isfinite(known) & np.isfinite(complete)
    if not both.any():
        return scores
    known, complete = np.sort(known[both]), np.sort(complete[both])
    first = first_of_equals(known)
    last = np.append(first[1:], len(known)) - 1
    # Of scores that equal ones may stand for, the least strange.
    value = np.clip(np.median(complete), complete[first], complete[last])
    place = np.column_stack([known[first], known[last]]).ravel()
    within = np.interp(scores, place, np.repeat(value, 2))
    below, above = np.maximum(known[0] - scores, 0.0), np.maximum(scores - known[-1], 0.0)
    down = spread_of(complete) / spread_of(known)
    up = spread_of(-complete[::-1]) / spread_of(-known[::-1])
    return within - down * below + up * above


def _complete(density, X, missing):
    """Complete training rows, or draws of the density where these are few; None without either."""
    whole = np.flatnonzero(~missing.any(1))
    drawn = None
    if len(whole) < min(_LEAST_REFERENCES, len(missing) / 2):
        drawn = _drawn(density)
    if drawn is None:
        return _safe_indexing(X, whole[:_N_REFERENCES]) if len(whole) > 1 else None
    if hasattr(X, "iloc") and not hasattr(drawn, "iloc"):
        return type(X)(drawn, columns=X.columns)
    return drawn


def _drawn(density):
    """Draws of a density, the same ones each time, None where it has none."""
    draw = getattr(density, "sample", None)
    if draw is None or "random_state" not in signature(draw).parameters:
        return None
    return draw(_N_REFERENCES, random_state=0)


def _blanked(X, pattern):
    """Rows without the values of some columns."""
    X = X.copy()
    for j in np.flatnonzero(pattern):
        if hasattr(X, "iloc"):
            X.isetitem(j, X.iloc[:, j].where(np.zeros(len(X), dtype=bool)))
        else:
            X[:, j] = np.nan
    return X

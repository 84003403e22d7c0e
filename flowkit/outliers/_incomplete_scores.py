"""Log densities of rows with missing values, in the units of complete rows.

A density of fewer columns has other units. So each row is compared with complete rows of which the
same columns are taken out: if a share of these scores lower than it, the row gets the score that
the same share of the complete rows scores lower than.
"""

from __future__ import annotations

import numpy as np
from sklearn.utils import _safe_indexing, get_tags

from ..nested import can_be_drawn_from, draw_from, score_copies, unwrap
from ..validation import container_of, is_frame
from ._conditional_effects import is_missing
from ._rounding import first_of_equals
from ._tails import spread_of

# Rows that others are compared with, and draws of missing values for each: together the cost of a
# pattern of missing columns.
_N_REFERENCES, _N_DRAWS = 256, 32
# With fewer complete training rows, draws of the density take their place.
_LEAST_REFERENCES = 100
# Patterns of the training rows whose comparison is kept.
_MAX_KEPT = 100


class IncompleteScores:
    """Log densities of incomplete rows in the units of complete ones, under one density.

    Parameters
    ----------
    density : estimator
        Fitted; takes missing values.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Some training rows, in random order.
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
        """Log densities of rows in the units of complete rows.

        Parameters
        ----------
        density : estimator
            The density.
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Rows.
        scores : ndarray of shape (n_samples,)
            Their log densities: for each row that of its known columns.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats; those of complete rows are unchanged.
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
        """Scores of the rows that others are compared with, some columns taken out."""
        return score_copies(density, _blanked(self._rows, pattern), self._rows, _N_DRAWS)


def allows_missing(density) -> bool:
    """Whether a fitted density, inside its wrappers, says that it takes missing values."""
    density = unwrap(density).estimator
    return hasattr(density, "__sklearn_tags__") and get_tags(density).input_tags.allow_nan


def _as_strange(scores, known, complete):
    """The scores that have the same share of `complete` below them as `scores` of `known`."""
    both = np.isfinite(known) & np.isfinite(complete)
    if not both.any():
        return scores
    known, complete = np.sort(known[both]), np.sort(complete[both])
    first = first_of_equals(known)
    last = np.append(first[1:], len(known)) - 1
    # Equal scores leave a choice: the least strange is taken.
    value = np.clip(np.median(complete), complete[first], complete[last])
    knots = np.column_stack([known[first], known[last]]).ravel()
    within = np.interp(scores, knots, np.repeat(value, 2))
    below, above = np.maximum(known[0] - scores, 0.0), np.maximum(scores - known[-1], 0.0)
    down = spread_of(complete) / spread_of(known)
    up = spread_of(-complete[::-1]) / spread_of(-known[::-1])
    return within - down * below + up * above


def _complete(density, X, missing):
    """Complete training rows, or draws of the density if they are few; None if there are none."""
    whole = np.flatnonzero(~missing.any(1))
    drawn = None
    if len(whole) < min(_LEAST_REFERENCES, len(missing) / 2):
        drawn = _drawn(density)
    if drawn is None:
        return _safe_indexing(X, whole[:_N_REFERENCES]) if len(whole) > 1 else None
    return drawn if is_frame(drawn) else container_of(X).like(drawn)


def _drawn(density):
    """Draws of a density, the same each time; None if it cannot be drawn from."""
    if not can_be_drawn_from(density):
        return None
    return draw_from(density, _N_REFERENCES, 0, dtype=None)


def _blanked(X, pattern):
    """Rows with the values of some columns taken out."""
    return container_of(X).without(np.flatnonzero(pattern))

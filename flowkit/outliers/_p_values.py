"""Conformal p-values: how strange a row is among calibration rows."""

from __future__ import annotations

import numpy as np

from ._rounding import less_rounding


def possible_p_values(n: int) -> np.ndarray:
    """The p-values that n calibration rows can give."""
    return np.arange(1, n + 2) / (n + 1)


def p_values(calibration_scores, scores) -> np.ndarray:
    """Share of calibration rows that are at least as strange as each row, counting the row itself.

    Scores that may be the same count as equally strange, so that p-values are never too small.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of rows that belong, sorted.
    scores : ndarray of shape (n,)
        Scores of the rows.

    Returns
    -------
    ndarray of shape (n,)
        p-values.
    """
    n_as_strange = np.searchsorted(less_rounding(calibration_scores), scores, side="right")
    return possible_p_values(len(calibration_scores))[n_as_strange]

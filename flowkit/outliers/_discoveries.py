"""Which of many rows are found, at a rate of false discoveries."""

from __future__ import annotations

import numpy as np

# Products of decimal fractions are rounded; p-values that differ by less are the same.
_ROUNDING = 1e-12


def benjamini_hochberg(p_values, alpha: float) -> np.ndarray:
    """Hypotheses that the procedure of Benjamini and Hochberg rejects.

    Parameters
    ----------
    p_values : ndarray of shape (n,)
        p-values.
    alpha : float
        False discovery rate.

    Returns
    -------
    ndarray of bool of shape (n,)
        True where a hypothesis is rejected: the k smallest p-values for the largest k for which
        the k-th is at most ``alpha * k / n``.
    """
    n = len(p_values)
    ordered = np.sort(p_values)
    levels = alpha * np.arange(1, n + 1) / n * (1 + _ROUNDING)
    passed = np.flatnonzero(ordered <= levels)
    return p_values <= (ordered[passed[-1]] if passed.size else -1.0)

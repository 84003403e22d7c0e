"""Triangular factors of a matrix, and their gradient, in one compiled pass each."""

from __future__ import annotations

import numpy as np

from .._compiled import compiled


@compiled
def factors(lower, upper, raw_diagonal, bound, unit_lower, full_upper, log_diagonal):
    """Unit lower and upper triangular factors, and logarithms of the diagonal of the latter."""
    d = len(raw_diagonal)
    unit_lower[:] = 0
    full_upper[:] = 0
    for i in range(d):
        log_diagonal[i] = bound * np.tanh(raw_diagonal[i] / bound)
        unit_lower[i, i] = 1
        full_upper[i, i] = np.exp(log_diagonal[i])
        for j in range(i):
            unit_lower[i, j] = lower[i, j]
        for j in range(i + 1, d):
            full_upper[i, j] = upper[i, j]


@compiled
def mask_gradient(by_lower, by_upper, by_log_det, log_diagonal, bound, by_raw_diagonal):
    """Gradients by what `factors` takes from those by the factors, in place."""
    d = len(log_diagonal)
    for i in range(d):
        share = log_diagonal[i] / bound
        by_log = by_upper[i, i] * np.exp(log_diagonal[i]) + by_log_det
        by_raw_diagonal[i] = by_log * (1 - share * share)
        for j in range(i, d):
            by_lower[i, j] = 0
        for j in range(i + 1):
            by_upper[i, j] = 0

"""The product of triangular factors, and its gradient, in one compiled pass each."""

from __future__ import annotations

import numpy as np

from .._compiled import compiled


@compiled
def multiply(lower, upper, raw_diagonal, bound, matrix):
    """Write the product of a unit lower and an upper triangular matrix; log of its determinant."""
    d = len(raw_diagonal)
    log_diagonal = bound * np.tanh(raw_diagonal / bound)
    for i in range(d):
        matrix[i] = 0
        for k in range(i + 1):
            factor = lower[i, k] if k < i else raw_diagonal.dtype.type(1)
            matrix[i, k] += factor * np.exp(log_diagonal[k])
            for j in range(k + 1, d):
                matrix[i, j] += factor * upper[k, j]
    return log_diagonal.sum()


@compiled
def multiply_gradient(
    lower, upper, raw_diagonal, bound, by_matrix, by_log_det, by_lower, by_upper, by_raw_diagonal
):
    """Gradient of `multiply`, given those by its results."""
    d = len(raw_diagonal)
    log_diagonal = bound * np.tanh(raw_diagonal / bound)
    full = np.zeros_like(upper)
    for k in range(d):
        full[k, k] = np.exp(log_diagonal[k])
        for j in range(k + 1, d):
            full[k, j] = upper[k, j]
    for i in range(d):
        by_lower[i] = 0
        for k in range(i):
            for j in range(k, d):
                by_lower[i, k] += by_matrix[i, j] * full[k, j]
    for k in range(d):
        by_upper[k] = by_matrix[k]
        for i in range(k + 1, d):
            for j in range(k, d):
                by_upper[k, j] += lower[i, k] * by_matrix[i, j]
        share = log_diagonal[k] / bound
        by_raw_diagonal[k] = (by_upper[k, k] * full[k, k] + by_log_det) * (1 - share * share)
        by_upper[k, : k + 1] = 0

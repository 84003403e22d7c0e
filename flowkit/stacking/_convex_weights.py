"""Weights of the likeliest weighted mean of given densities."""

from __future__ import annotations

import numpy as np

# How far the mean log density may be below the highest possible, in nats.
_MAX_GAP = 1e-9
_MAX_STEPS = 10_000


def convex_weights(log_densities: np.ndarray, sample_weight=None) -> np.ndarray:
    """Non-negative weights of sum one under which the mean of densities is the likeliest.

    Expectation maximisation for a mixture whose components are known. The mean log density is
    concave in the weights and rises with every step, from equal weights to its maximum.

    Parameters
    ----------
    log_densities : ndarray of shape (n_rows, n_densities)
        Log density of each row under each density, ``-inf`` where it is zero; finite at least once
        in each row.
    sample_weight : ndarray of shape (n_rows,), default=None
        Positive weights of the rows.

    Returns
    -------
    ndarray of shape (n_densities,)
        The weights.
    """
    n, n_densities = log_densities.shape
    # Sums of the largest numbers are infinite.
    share = np.ones(n) if sample_weight is None else sample_weight / sample_weight.max()
    share /= share.sum()
    # Members that such rows alone ask for get a weight of zero, and 0 / 0 is no number.
    share, log_densities = share[share > 0], log_densities[share > 0]
    # Relative to the largest of each row, nothing overflows.
    density = np.exp(log_densities - log_densities.max(1, keepdims=True))
    weights = np.full(n_densities, 1 / n_densities)
    for _ in range(_MAX_STEPS):
        slope = density.T @ (share / (density @ weights))
        # As the mean is concave, this bounds what is left to gain.
        if slope.max() - 1 < _MAX_GAP:
            break
        weights = weights * slope
        weights /= weights.sum()
    return weights

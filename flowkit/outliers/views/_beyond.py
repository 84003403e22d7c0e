"""How far beyond the values of training: a logarithm, which goes on without an end."""

from __future__ import annotations

import numpy as np


def log_beyond(distance, unit: float) -> np.ndarray:
    """``log(1 + distance / unit)``, which stays finite whatever the numbers are.

    Parameters
    ----------
    distance : ndarray of shape (n,)
        Distances, not negative.
    unit : float
        Length that counts as far, not negative.

    Returns
    -------
    ndarray of shape (n,)
        Nats.
    """
    unit = max(unit, np.finfo(np.float64).tiny)
    with np.errstate(over="ignore"):
        ratio = distance / unit
    if np.isfinite(ratio).all():
        return np.log1p(ratio)
    # Of a ratio that overflows, one more or less makes no difference.
    far = np.log(np.maximum(distance, unit)) - np.log(unit)
    return np.where(np.isfinite(ratio), np.log1p(ratio), far)


def unit_of_constant(value: float) -> float:
    """Length from a constant at which another value is far: any is, but for rounding."""
    return float(np.finfo(np.float32).eps * max(abs(value), 1.0))

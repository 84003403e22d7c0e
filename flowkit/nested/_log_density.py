"""Log densities of rows under any density, without numpy's warnings of rows far away."""

from __future__ import annotations

import numpy as np


def log_density_of(density, X) -> np.ndarray:
    """What `score_samples` of a density within gives.

    Squares of values far away overflow in some densities: their log density is ``-inf`` or NaN,
    and no warning of numpy's reaches the user.

    Parameters
    ----------
    density : estimator
        Fitted.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows as it takes them.

    Returns
    -------
    ndarray of shape (n_samples,)
        Nats.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return density.score_samples(X)

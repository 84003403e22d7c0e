"""Log densities of changed copies of rows, incomplete ones too."""

from __future__ import annotations

import numpy as np

from ..nested import score_copies
from ._conditional_effects import is_missing

# Draws of the missing values of a row. They are evenly spread and come from the same uniform
# numbers for all its copies, so that most of their error is common to these.
_N_DRAWS = 8


def log_density_of_copies(density, copies, rows) -> np.ndarray:
    """Log density of changed copies of rows, as if the rows had not been in training.

    Parameters
    ----------
    density : estimator
        Fitted.
    copies : ndarray or DataFrame of shape (k * n, n_features)
        As many copies of each row, those of one row next to each other.
    rows : ndarray or DataFrame of shape (n, n_features)
        The rows.

    Returns
    -------
    ndarray of shape (k * n,)
        In nats: ``-inf`` where it is zero, never NaN.
    """
    n_draws = _N_DRAWS if is_missing(rows).any() else None
    # Some densities give a single row a number alone.
    log_density = np.reshape(score_copies(density, copies, rows, n_draws), -1)
    return np.where(np.isnan(log_density), -np.inf, log_density)

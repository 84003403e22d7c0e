"""Log densities of rows under any density, without warnings and errors that are not ours."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from ..validation import errors_of_rows


@singledispatch
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

    Raises
    ------
    InvalidDataError
        If the density refuses the rows.
    """
    with errors_of_rows():
        return density.score_samples(X)


@log_density_of.register
def _(density: BayesianGaussianMixture | GaussianMixture, X) -> np.ndarray:
    # Mixtures compute in the type of the rows, where products of bools are no products.
    if np.asarray(X).dtype.kind in "biuf":
        # What overflows is refused by the density.
        with np.errstate(over="ignore"):
            X = X.astype(np.float64) if hasattr(X, "astype") else X.cast(float)
    with errors_of_rows():
        return density.score_samples(X)

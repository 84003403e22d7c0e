"""Log densities of rows under any density, without warnings and errors that are not ours."""

from __future__ import annotations

from functools import singledispatch
from inspect import signature

import numpy as np
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture

from ..exceptions import InvalidParameterError
from ..validation import errors_of_rows
from ._unwrap import stood_for


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
            if hasattr(X, "astype"):
                X = X.astype(np.float64)
            else:
                X = X.cast(dict.fromkeys(X.columns, float))
    with errors_of_rows():
        return density.score_samples(X)


def tells_error(density) -> bool:
    """Whether `score_samples` of a density has a parameter ``return_std``.

    Parameters
    ----------
    density : estimator
        Fitted.
    """
    return "return_std" in signature(stood_for(density).score_samples).parameters


def estimates_of(density, X) -> tuple[np.ndarray, np.ndarray]:
    """Log density of rows, and its standard error.

    Parameters
    ----------
    density : estimator
        Fitted.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows as it takes them.

    Returns
    -------
    log_density, error : ndarray of shape (n_samples,)
        Nats; errors of zero where the density tells none.

    Raises
    ------
    InvalidDataError
        If the density refuses the rows.
    """
    if tells_error(density):
        try:
            with errors_of_rows():
                return stood_for(density).score_samples(X, return_std=True)
        except InvalidParameterError:
            # Densities of images and counts tell none.
            pass
    log_density = log_density_of(density, X)
    return log_density, np.zeros(len(log_density))

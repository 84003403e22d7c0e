"""Classical densities that a density is compared with, fitted to the same rows."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from ..tables import TableDensity
from ..transforms import TransformedDensity

_MOST_COMPONENTS = 6
_COVARIANCES = ("full", "diag")
_FOLDS, _BANDWIDTHS = 3, (0.25, 0.5, 0.75, 1.0, 1.5)
# Kernels take as many evaluations as there are training rows.
MOST_KERNELS = 2000


class BestMixture(BaseEstimator):
    """The Gaussian mixture of the lowest BIC, of one to six components.

    Parameters
    ----------
    random_state : int, default=0
        Source of randomness.
    """

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X, y=None):
        """Fit all candidates and keep the best."""
        most = max(1, min(_MOST_COMPONENTS, len(X) // 10))
        candidates = (
            GaussianMixture(n, covariance_type=covariance, random_state=self.random_state)
            for n in range(1, most + 1)
            for covariance in _COVARIANCES
        )
        self.mixture_ = min((c.fit(X) for c in candidates), key=lambda mixture: mixture.bic(X))
        self.n_features_in_ = np.shape(X)[1]
        return self

    def score_samples(self, X):
        """Log density of each row."""
        return self.mixture_.score_samples(X)


def classical_densities(n: int, n_features: int, seed: int) -> dict[str, BaseEstimator]:
    """Densities for standardised rows, by their names.

    Parameters
    ----------
    n : int
        Number of training rows.
    n_features : int
        Number of columns.
    seed : int
        Source of randomness.
    """
    scott = min(n, MOST_KERNELS) ** (-1 / (n_features + 4))
    kernels = {"bandwidth": [scott * factor for factor in _BANDWIDTHS]}
    return {
        "Gaussian": GaussianMixture(1, random_state=seed),
        "Gaussian mixture (BIC)": BestMixture(random_state=seed),
        "kernel density (CV)": GridSearchCV(KernelDensity(), kernels, cv=_FOLDS),
    }


@singledispatch
def with_density(estimator, density):
    """An estimator, not fitted, of the same rows and units with another density in it.

    Parameters
    ----------
    estimator : estimator
        Fitted or not.
    density : estimator
        A density of rows that are about standardised.
    """
    return TransformedDensity(StandardScaler(), density)


@with_density.register
def _(estimator: TableDensity, density):
    return clone(estimator).set_params(density=TransformedDensity(StandardScaler(), density))


@with_density.register
def _(estimator: Pipeline, density):
    last = TransformedDensity(StandardScaler(), density)
    return make_pipeline(*(clone(step) for step in estimator[:-1]), last)

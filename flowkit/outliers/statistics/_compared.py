"""Statistics that are a density themselves: of what a density says of rows."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.utils import _safe_indexing

from .._comparison import Comparison
from ._base import Statistic


class ComparedStatistic(Statistic):
    """Log density of several measurements of a row, among those of training rows.

    Subclasses implement `measure`.

    Attributes
    ----------
    comparison_ : Comparison
        Kernel estimate of the density of the measurements.
    """

    def fit(self, member, X):
        self.comparison_ = Comparison(self._measured(member, X))
        return self

    def score(self, member, X):
        return self.comparison_(self._measured(member, X))

    @abstractmethod
    def measure(self, density, X, log_density) -> np.ndarray:
        """What a density says of rows.

        Parameters
        ----------
        density : estimator
            Fitted, without wrappers.
        X : array-like or DataFrame of shape (n, n_features)
            Rows as it sees them, complete and of positive density.
        log_density : ndarray of shape (n,)
            Their log densities in the units of the detector's rows, in nats.

        Returns
        -------
        ndarray of shape (n, n_measurements)
            Infinite where a row is too far off to be measured.
        """

    def _measured(self, member, X):
        log_density = member.log_density(X)
        possible = np.flatnonzero(np.isfinite(log_density))
        if not possible.size:
            return np.full((len(log_density), 1), -np.inf)
        inner = member.unwrapped
        rows = inner.transform(_safe_indexing(X, possible))
        of_possible = self.measure(inner.estimator, rows, log_density[possible])
        measured = np.full((len(log_density), of_possible.shape[1]), -np.inf)
        measured[possible] = of_possible
        return measured

"""A density of what a density says of rows."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from ._tails import less_rounding

# Distances that are held at once.
_MAX_DISTANCES = 2**22
# Deviations below this, in nats, tell no rows apart; dividing by them would make rounding large.
_LEAST_DEVIATION = 1e-4


class Comparison:
    """Kernel estimate of a density of what a density says of rows.

    Parameters
    ----------
    statistics : ndarray of shape (n, k)
        Of rows that belong.
    """

    def __init__(self, statistics):
        self.known = statistics[np.isfinite(statistics).all(1)]
        self.location = np.median(self.known, axis=0)
        self.scale = np.maximum(np.std(self.known, axis=0), _LEAST_DEVIATION)
        self.centres = self._standardise(self.known)
        n, k = self.centres.shape
        self.bandwidth = n ** (-1 / (k + 4))

    def _standardise(self, statistics):
        # Rows of no density at all are far off, but not infinitely far.
        return np.clip((statistics - self.location) / self.scale, -1e6, 1e6)

    def __call__(self, statistics):
        size = max(1, _MAX_DISTANCES // len(self.centres))
        parts = [statistics[i : i + size] for i in range(0, len(statistics), size)]
        return np.concatenate([self._log_density(part) for part in parts])

    def _log_density(self, statistics):
        distances = cdist(self._standardise(statistics), self.centres, "sqeuclidean")
        n, k = self.centres.shape
        # A row that is a centre is judged by the others, as new rows are.
        nearest = distances.argmin(1)
        centres = self.known[nearest]
        itself = (statistics >= less_rounding(centres)) & (centres >= less_rounding(statistics))
        itself = itself.all(1)
        log_kernels = -0.5 * distances / self.bandwidth**2
        log_kernels[itself, nearest[itself]] = -np.inf
        log_norm = k * np.log(self.bandwidth * np.sqrt(2 * np.pi)) + np.log(n - itself)
        return logsumexp(log_kernels, axis=1) - log_norm

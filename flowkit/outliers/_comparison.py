"""A density of what a density says of rows: a kernel estimate."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from ..exceptions import InvalidDataError
from ._rounding import less_rounding

# Distances that are held at once.
_MAX_DISTANCES = 2**22
# Standard deviations below this, in nats, are rounding, which division by them would blow up.
_LEAST_DEVIATION = 1e-4


class Comparison:
    """Kernel estimate of the density of measurements of rows.

    Parameters
    ----------
    measurements : ndarray of shape (n, k)
        Those of rows that belong.

    Raises
    ------
    InvalidDataError
        If none of these rows has finite measurements.
    """

    def __init__(self, measurements):
        self.known = measurements[np.isfinite(measurements).all(1)]
        if not len(self.known):
            raise InvalidDataError(
                "no training row has a positive density, so there is nothing to compare rows with: "
                "give rows within the support of the density."
            )
        self.location = np.median(self.known, axis=0)
        self.scale = np.maximum(np.std(self.known, axis=0), _LEAST_DEVIATION)
        self.centres = self._standardise(self.known)
        n, k = self.centres.shape
        self.bandwidth = n ** (-1 / (k + 4))

    def __call__(self, measurements) -> np.ndarray:
        """Log density of measurements (n, k), shape (n,), in nats of standardised measurements."""
        size = max(1, _MAX_DISTANCES // len(self.centres))
        parts = [measurements[i : i + size] for i in range(0, len(measurements), size)]
        return np.concatenate([self._log_density(part) for part in parts])

    def _standardise(self, measurements):
        # Impossible rows are far off, but not infinitely far.
        return np.clip((measurements - self.location) / self.scale, -1e6, 1e6)

    def _log_density(self, measurements):
        distances = cdist(self._standardise(measurements), self.centres, "sqeuclidean")
        n, k = self.centres.shape
        # A row that is a centre is compared with the others, as new rows are.
        nearest = distances.argmin(1)
        centres = self.known[nearest]
        itself = (measurements >= less_rounding(centres)) & (centres >= less_rounding(measurements))
        itself = itself.all(1)
        log_kernels = -0.5 * distances / self.bandwidth**2
        log_kernels[itself, nearest[itself]] = -np.inf
        log_norm = k * np.log(self.bandwidth * np.sqrt(2 * np.pi)) + np.log(n - itself)
        return logsumexp(log_kernels, axis=1) - log_norm

"""All that a density says of a row, and how usual it is together."""

from __future__ import annotations

import numpy as np

from .._requirements import SCALES
from ._compared import ComparedStatistic

# At a mode, gradients are what rounding leaves of them, whose logarithm would be anything.
_LEAST_NORM = 1e-3


class Dose(ComparedStatistic):
    """Density of states: of the log density, the norms of latent and gradient, and the scales."""

    name = "dose"
    description = (
        "a density of all that the density says of a row: log density, norms of latent and "
        "gradient, scales, as far as it has them. For images, where smooth pictures are too likely."
    )
    unit = "nats, by dose"

    def measure(self, density, X, log_density):
        columns = [log_density]
        if hasattr(density, "_gradient_norm"):
            with np.errstate(over="ignore"):
                columns.append(_log_size(np.linalg.norm(density.transform(X), axis=1)))
            # The gradient of an estimate of the log density says little.
            if density.module_.is_exact:
                columns.append(_log_size(density._gradient_norm(X)))
        if SCALES.is_met_by(density):
            levels = density.score_levels(X).scores
            columns.append(np.nan_to_num(levels, nan=-np.inf, neginf=-np.inf))
        return np.column_stack(columns)


def _log_size(norms):
    """Logarithm of norms, of which those that overflow are infinite."""
    return np.log(np.where(np.isnan(norms), np.inf, np.maximum(norms, _LEAST_NORM)))

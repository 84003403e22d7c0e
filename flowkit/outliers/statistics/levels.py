"""The coarse scales of a row beside its finest one."""

from __future__ import annotations

import numpy as np

from .._requirements import SCALES
from ._compared import ComparedStatistic


class Levels(ComparedStatistic):
    """Density of two measurements: the log density of the finest scale and that of all others."""

    name = "levels"
    description = (
        "a density of two numbers, the log density of the finest scale of a row and that of its "
        "coarse scales. The density must have ``score_levels``. For images, where smooth pictures "
        "are too likely."
    )
    unit = "nats, by levels"
    requirement = SCALES

    def measure(self, density, X, log_density):
        levels = density.score_levels(X).scores
        return np.column_stack([levels[:, 0], levels[:, 1:].sum(1)])

"""Rows that do not belong, found by any density."""

from ._reasons import Reasons
from ._rounding import less_rounding as less_rounding
from .detector import DensityOutlierDetector, default_densities
from .views import DependenceForest, LevelsAsColumns, RankedNeighbors, SingleColumns

__all__ = [
    "DensityOutlierDetector",
    "DependenceForest",
    "LevelsAsColumns",
    "RankedNeighbors",
    "Reasons",
    "SingleColumns",
    "default_densities",
]

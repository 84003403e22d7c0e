"""Rows that do not belong, found by any density."""

from .detector import DensityOutlierDetector, default_densities
from .views import DependenceForest, LevelsAsColumns, RankedNeighbors, SingleColumns

__all__ = [
    "DensityOutlierDetector",
    "DependenceForest",
    "LevelsAsColumns",
    "RankedNeighbors",
    "SingleColumns",
    "default_densities",
]

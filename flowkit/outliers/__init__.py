"""Rows that do not belong, found by any density."""

from .detector import DensityOutlierDetector, default_densities
from .views import DependenceForest, RankedNeighbors, SingleColumns

__all__ = [
    "DensityOutlierDetector",
    "DependenceForest",
    "RankedNeighbors",
    "SingleColumns",
    "default_densities",
]

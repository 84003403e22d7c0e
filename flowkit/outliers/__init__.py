"""Rows that do not belong, found by any density."""

from ._reasons import Reasons
from .detector import DensityOutlierDetector, default_densities

__all__ = ["DensityOutlierDetector", "Reasons", "default_densities"]

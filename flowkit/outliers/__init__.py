"""Rows that do not belong, found by any density."""

from .detector import DensityOutlierDetector, default_densities

__all__ = ["DensityOutlierDetector", "default_densities"]

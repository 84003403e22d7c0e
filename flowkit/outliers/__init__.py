"""Rows that do not belong, found by any density."""

from .detector import DensityOutlierDetector

__all__ = ["DensityOutlierDetector"]

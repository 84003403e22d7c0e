"""Missing values of rows and tables, filled from a density by a transformer."""

from .imputer import DensityImputer

__all__ = ["DensityImputer"]

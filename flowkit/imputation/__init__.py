"""Missing values of rows and tables, filled from densities and trees by a transformer."""

from .imputer import DensityImputer

__all__ = ["DensityImputer"]

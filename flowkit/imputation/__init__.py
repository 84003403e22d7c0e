"""Missing values of rows and tables, filled from a density by a transformer."""

from ._chained_trees import ChainedTrees
from .imputer import DensityImputer

__all__ = ["ChainedTrees", "DensityImputer"]

"""Ways to look at rows, each a rough density of its own, that make up the default detector."""

from ._normal_scores import NormalScores
from .dependence import DependenceForest
from .encoded import LevelsAsColumns
from .neighbours import RankedNeighbors
from .single_columns import SingleColumns

__all__ = [
    "DependenceForest",
    "LevelsAsColumns",
    "NormalScores",
    "RankedNeighbors",
    "SingleColumns",
]

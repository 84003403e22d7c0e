"""What is learned about columns before any training: location, scale, noise, gaps, domain."""

from ._columns import Columns
from ._kinds import Counts, GreyLevels, StandardisedColumns, UnitRange, WholeNumbers
from ._moments import constant_columns, moments
from ._support import refuse_outside_support
from ._ties import find_ties, tie_spacing, warn_heavy

__all__ = [
    "Columns",
    "Counts",
    "GreyLevels",
    "StandardisedColumns",
    "UnitRange",
    "WholeNumbers",
    "constant_columns",
    "find_ties",
    "moments",
    "refuse_outside_support",
    "tie_spacing",
    "warn_heavy",
]

"""What a detector scores rows by: a class each, known by the name in `STATISTICS`."""

from ._base import Statistic
from ._documentation import describes_statistics
from .dose import Dose
from .levels import Levels
from .log_density import LogDensity
from .typicality import Typicality

STATISTICS: dict[str, type[Statistic]] = {
    statistic.name: statistic for statistic in (LogDensity, Typicality, Levels, Dose)
}

__all__ = ["STATISTICS", "Statistic", "describes_statistics"]

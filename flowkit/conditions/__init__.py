"""Questions to a density: conditions, marginals, and quantiles of columns."""

from ._any_density import questions_by_draws, questions_of
from ._laws import Law, MappedLaw, PooledLaw
from ._questions import MAX_CANDIDATES, N_CANDIDATES, FlowQuestions, Questions
from .marginals import ConditionalDensity, MarginalDensity

__all__ = [
    "MAX_CANDIDATES",
    "N_CANDIDATES",
    "ConditionalDensity",
    "FlowQuestions",
    "Law",
    "MappedLaw",
    "MarginalDensity",
    "PooledLaw",
    "Questions",
    "questions_by_draws",
    "questions_of",
]

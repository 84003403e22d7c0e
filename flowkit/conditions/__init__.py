"""Questions to a density: conditions, marginals, and quantiles of columns."""

from ._any_density import questions_by_draws, questions_of
from ._laws import Law, MappedLaw, PooledLaw, TruncatedLaw
from ._mixed import MixedQuestions, log_mean_density
from ._questions import MAX_CANDIDATES, N_CANDIDATES, FlowQuestions, Questions
from ._relabelled import relabelled
from .marginals import ConditionalDensity, MarginalDensity

__all__ = [
    "MAX_CANDIDATES",
    "N_CANDIDATES",
    "ConditionalDensity",
    "FlowQuestions",
    "Law",
    "MappedLaw",
    "MarginalDensity",
    "MixedQuestions",
    "PooledLaw",
    "Questions",
    "TruncatedLaw",
    "log_mean_density",
    "questions_by_draws",
    "questions_of",
    "relabelled",
]

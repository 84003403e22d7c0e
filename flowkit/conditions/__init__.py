"""Questions to a density: conditions, marginals, and quantiles of columns."""

from ._any_density import exact_questions_of, questions_by_draws, questions_of
from ._laws import GroupedLaw, Law, MappedLaw, PooledLaw, TruncatedLaw, halved
from ._mixed import MixedQuestions, log_mean_density
from ._questions import MAX_CANDIDATES, N_CANDIDATES, FlowQuestions, Questions
from ._relabelled import relabelled
from .marginals import ConditionalDensity, MarginalDensity

__all__ = [
    "MAX_CANDIDATES",
    "N_CANDIDATES",
    "ConditionalDensity",
    "FlowQuestions",
    "GroupedLaw",
    "Law",
    "MappedLaw",
    "MarginalDensity",
    "MixedQuestions",
    "PooledLaw",
    "Questions",
    "TruncatedLaw",
    "exact_questions_of",
    "halved",
    "log_mean_density",
    "questions_by_draws",
    "questions_of",
    "relabelled",
]

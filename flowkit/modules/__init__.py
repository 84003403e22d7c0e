"""Torch modules that own a whole density."""

from ._base import Batch, DensityModule
from ._count_entries import CountEntries
from .count_topics import CountStatistics, CountTopics
from .evaluator import Evaluator
from .flow import Flow, KernelFlow
from .likelihoods import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    Likelihood,
    LocationScaleLikelihood,
)
from .neighbours import NeighbourLikelihood
from .posterior import Posterior
from .residual_flow import ResidualFlow
from .topic_flow import TopicFlow
from .vae import PolynomialVAE

__all__ = [
    "Batch",
    "BernoulliLikelihood",
    "CountEntries",
    "CountStatistics",
    "CountTopics",
    "DensityModule",
    "DiscretizedLogisticLikelihood",
    "Evaluator",
    "Flow",
    "KernelFlow",
    "Likelihood",
    "LocationScaleLikelihood",
    "NeighbourLikelihood",
    "PolynomialVAE",
    "Posterior",
    "ResidualFlow",
    "TopicFlow",
]

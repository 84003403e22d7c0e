"""Torch modules that own a whole density."""

from .evaluator import Evaluator
from .flow import Flow, KernelFlow
from .likelihoods import (
    BernoulliLikelihood,
    DiscretizedLogisticLikelihood,
    Likelihood,
    LocationScaleLikelihood,
)
from .vae import PolynomialVAE, Posterior

__all__ = [
    "BernoulliLikelihood",
    "DiscretizedLogisticLikelihood",
    "Evaluator",
    "Flow",
    "KernelFlow",
    "Likelihood",
    "LocationScaleLikelihood",
    "PolynomialVAE",
    "Posterior",
]

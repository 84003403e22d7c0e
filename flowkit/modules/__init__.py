"""Torch modules that own a whole density."""

from .flow import Flow
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
    "Flow",
    "Likelihood",
    "LocationScaleLikelihood",
    "PolynomialVAE",
    "Posterior",
]

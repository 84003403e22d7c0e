"""Densities behind scikit-learn's transformers, whose Jacobians they count."""

from ._jacobians import DifferentiableFunctionTransformer
from .transformed import TransformedDensity

__all__ = ["DifferentiableFunctionTransformer", "TransformedDensity"]

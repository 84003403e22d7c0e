"""Densities behind scikit-learn's transformers, whose Jacobians they count."""

# Each of these registers what is known of some transformers.
from . import _composite_maps as _composite_maps
from . import _elementwise_maps as _elementwise_maps
from . import _mixing_maps as _mixing_maps
from .differentiable import DifferentiableFunctionTransformer
from .transformed import TransformedDensity

__all__ = ["DifferentiableFunctionTransformer", "TransformedDensity"]

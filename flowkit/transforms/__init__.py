"""Densities behind scikit-learn's transformers, whose Jacobians they count."""

# Each of these registers what is known of some transformers; messages name them in this order.
from . import _elementwise_maps as _elementwise_maps  # isort: skip
from . import _mixing_maps as _mixing_maps  # isort: skip
from . import _composite_maps as _composite_maps  # isort: skip
from ._composite_maps import column_parts as column_parts
from .differentiable import DifferentiableFunctionTransformer
from .transformed import TransformedDensity

__all__ = ["DifferentiableFunctionTransformer", "TransformedDensity"]

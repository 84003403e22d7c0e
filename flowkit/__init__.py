"""flowkit: exact, interpretable deep density estimation with scikit-learn's interface."""

from .estimators import FlowDensity

__version__ = "0.1.0"

__all__ = ["FlowDensity", "__version__"]

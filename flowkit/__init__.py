"""flowkit: exact, interpretable deep density estimation with scikit-learn's interface."""

from .estimators import FlowDensity, FractalFlowDensity
from .inspection import DensityDisplay, TrainingCurveDisplay

__version__ = "0.1.0"

__all__ = [
    "DensityDisplay",
    "FlowDensity",
    "FractalFlowDensity",
    "TrainingCurveDisplay",
    "__version__",
]

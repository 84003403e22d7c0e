"""flowkit: exact, interpretable deep density estimation with scikit-learn's interface."""

from .estimators import PHVAE, FlowDensity, FractalFlowDensity, RGFlowDensity
from .inspection import (
    DensityDisplay,
    LatentPyramidDisplay,
    LogDetTreeDisplay,
    ReceptiveFieldDisplay,
    ReconstructionDisplay,
    StyleMixDisplay,
    TopicDisplay,
    TrainingCurveDisplay,
)

__version__ = "0.1.0"

__all__ = [
    "PHVAE",
    "DensityDisplay",
    "FlowDensity",
    "FractalFlowDensity",
    "LatentPyramidDisplay",
    "LogDetTreeDisplay",
    "RGFlowDensity",
    "ReceptiveFieldDisplay",
    "ReconstructionDisplay",
    "StyleMixDisplay",
    "TopicDisplay",
    "TrainingCurveDisplay",
    "__version__",
]

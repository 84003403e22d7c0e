"""flowkit: exact, interpretable deep density estimation with scikit-learn's interface."""

from .estimators import PHVAE, FlowDensity, FractalFlowDensity, RGFlowDensity
from .exceptions import StopTraining
from .files import load, model_card, save
from .imputation import DensityImputer
from .inspection import (
    CalibrationDisplay,
    DensityDisplay,
    ExplanationDisplay,
    LatentPyramidDisplay,
    LogDetTreeDisplay,
    ReceptiveFieldDisplay,
    ReconstructionDisplay,
    ScoreHistogramDisplay,
    StyleMixDisplay,
    TopicDisplay,
    TrainingCurveDisplay,
)
from .outliers import DensityOutlierDetector
from .regression import ConditionalFlow
from .reports import report
from .stacking import StackedDensity
from .streams import Chunks, score_chunks
from .tables import TableDensity
from .transforms import DifferentiableFunctionTransformer, TransformedDensity

__version__ = "0.1.0"

__all__ = [
    "PHVAE",
    "CalibrationDisplay",
    "Chunks",
    "ConditionalFlow",
    "DensityDisplay",
    "DensityImputer",
    "DensityOutlierDetector",
    "DifferentiableFunctionTransformer",
    "ExplanationDisplay",
    "FlowDensity",
    "FractalFlowDensity",
    "LatentPyramidDisplay",
    "LogDetTreeDisplay",
    "RGFlowDensity",
    "ReceptiveFieldDisplay",
    "ReconstructionDisplay",
    "ScoreHistogramDisplay",
    "StackedDensity",
    "StopTraining",
    "StyleMixDisplay",
    "TableDensity",
    "TopicDisplay",
    "TrainingCurveDisplay",
    "TransformedDensity",
    "__version__",
    "load",
    "model_card",
    "report",
    "save",
    "score_chunks",
]

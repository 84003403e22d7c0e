"""What was learned, as plots in scikit-learn's Display convention."""

from ._density import DensityDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = ["DensityDisplay", "TrainingCurveDisplay"]

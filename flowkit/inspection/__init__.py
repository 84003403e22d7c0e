"""What was learned, as plots in scikit-learn's Display convention."""

from ._density import DensityDisplay
from ._log_det_tree import LogDetTreeDisplay
from ._topics import TopicDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = ["DensityDisplay", "LogDetTreeDisplay", "TopicDisplay", "TrainingCurveDisplay"]

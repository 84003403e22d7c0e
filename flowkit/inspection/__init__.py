"""What was learned, in numbers and as plots in scikit-learn's Display convention."""

from ._density import DensityDisplay
from ._disentanglement import (
    DCIScores,
    active_units,
    dci,
    mutual_information_gap,
    separated_attribute_predictability,
)
from ._latent_pyramid import LatentPyramidDisplay
from ._log_det_tree import LogDetTreeDisplay
from ._receptive_fields import ReceptiveFieldDisplay
from ._reconstruction import ReconstructionDisplay
from ._style_mix import StyleMixDisplay
from ._topics import TopicDisplay
from ._training_curve import TrainingCurveDisplay

__all__ = [
    "DCIScores",
    "DensityDisplay",
    "LatentPyramidDisplay",
    "LogDetTreeDisplay",
    "ReceptiveFieldDisplay",
    "ReconstructionDisplay",
    "StyleMixDisplay",
    "TopicDisplay",
    "TrainingCurveDisplay",
    "active_units",
    "dci",
    "mutual_information_gap",
    "separated_attribute_predictability",
]

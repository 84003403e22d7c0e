"""What was learned, in numbers and as plots in scikit-learn's Display convention."""

from ._calibration import CalibrationDisplay
from ._density import DensityDisplay
from ._disentanglement import (
    DCIScores,
    active_units,
    dci,
    mutual_information_gap,
    separated_attribute_predictability,
)
from ._explanation import ExplanationDisplay
from ._latent_pyramid import LatentPyramidDisplay
from ._log_det_tree import LogDetTreeDisplay
from ._pairs import PairDisplay
from ._receptive_fields import ReceptiveFieldDisplay
from ._reconstruction import ReconstructionDisplay
from ._score_histogram import ScoreHistogramDisplay
from ._steering import SteeringDisplay
from ._style_mix import StyleMixDisplay
from ._topic_map import TopicMapDisplay
from ._topic_number import TopicNumberDisplay
from ._topic_words import describe_topics
from ._topics import TopicDisplay
from ._training_curve import TrainingCurveDisplay
from ._training_history import training_history

__all__ = [
    "CalibrationDisplay",
    "DCIScores",
    "DensityDisplay",
    "ExplanationDisplay",
    "LatentPyramidDisplay",
    "LogDetTreeDisplay",
    "PairDisplay",
    "ReceptiveFieldDisplay",
    "ReconstructionDisplay",
    "ScoreHistogramDisplay",
    "SteeringDisplay",
    "StyleMixDisplay",
    "TopicDisplay",
    "TopicMapDisplay",
    "TopicNumberDisplay",
    "TrainingCurveDisplay",
    "active_units",
    "dci",
    "describe_topics",
    "mutual_information_gap",
    "separated_attribute_predictability",
    "training_history",
]

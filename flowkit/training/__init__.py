"""Training with skorch: the only part of flowkit that knows it."""

from ._train import (
    TrainingOptions,
    TrainingRecord,
    continue_net,
    has_parameters,
    make_net,
    monitored_names,
    train,
)
from .data import Noise, Rows
from .net import DensityNet

__all__ = [
    "DensityNet",
    "Noise",
    "Rows",
    "TrainingOptions",
    "TrainingRecord",
    "continue_net",
    "has_parameters",
    "make_net",
    "monitored_names",
    "train",
]

"""Training with skorch: the only part of flowkit that knows it."""

from ._train import (
    TrainingOptions,
    TrainingRecord,
    has_parameters,
    make_net,
    make_stream,
    path_of,
    train,
    train_chunk,
)
from .data import Noise, Rows
from .net import DensityNet

__all__ = [
    "DensityNet",
    "Noise",
    "Rows",
    "TrainingOptions",
    "TrainingRecord",
    "has_parameters",
    "make_net",
    "make_stream",
    "path_of",
    "train",
    "train_chunk",
]

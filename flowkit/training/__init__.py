"""Training with skorch: the only part of flowkit that knows it."""

from .checkpoint import Checkpoint
from .data import Noise, Rows, UnreadRows
from .fit import has_parameters, make_net, train
from .fit_run import FitRun
from .net import DensityNet
from .options import TrainingOptions
from .processes import Processes, trained_by
from .record import TrainingRecord
from .reservoir import Stream, after_chunk, n_held_out
from .stream import make_stream, path_of, train_chunk

__all__ = [
    "Checkpoint",
    "DensityNet",
    "FitRun",
    "Noise",
    "Processes",
    "Rows",
    "Stream",
    "TrainingOptions",
    "TrainingRecord",
    "UnreadRows",
    "after_chunk",
    "has_parameters",
    "make_net",
    "make_stream",
    "n_held_out",
    "path_of",
    "train",
    "train_chunk",
    "trained_by",
]

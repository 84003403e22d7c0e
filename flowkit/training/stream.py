"""Training that goes on from chunk to chunk of a stream."""

from __future__ import annotations

import copy

import numpy as np
import torch

from ..modules import DensityModule
from ._flat_parameters import FACTOR
from .best_weights import StreamWeights
from .data import Rows
from .fit import make_net, n_steps_of
from .net import DensityNet
from .options import TrainingOptions
from .record import TrainingRecord, history_columns


def make_stream(
    module: DensityModule,
    path: dict[str, np.ndarray] | None,
    options: TrainingOptions,
    generator: torch.Generator,
) -> DensityNet:
    """Build the net that `train_chunk` trains, chunk after chunk.

    Parameters
    ----------
    module : DensityModule
        What to train; its weights are the first to be kept.
    path : dict of ndarray or None
        Weights from which training goes on, as `path_of` gives them; None for those of the module.
    options, generator
        As in `train`; callbacks and verbosity hold for all chunks.

    Returns
    -------
    DensityNet
        The net.
    """
    if path is not None:
        # Copies, as weights may lie in memory that must not be written to.
        path = {name: torch.tensor(value) for name, value in path.items()}
    return make_net(module, None, options, generator, 1, StreamWeights(path)).initialize()


def path_of(net: DensityNet) -> dict[str, np.ndarray]:
    """Weights from which the training of a stream goes on.

    Parameters
    ----------
    net : DensityNet
        The net.

    Returns
    -------
    dict of ndarray
        By name.
    """
    return {k: v.detach().cpu().numpy().copy() for k, v in net.module_.state_dict().items()}


def train_chunk(
    net: DensityNet,
    rows: Rows,
    holdout: Rows | None,
    options: TrainingOptions,
    generator: torch.Generator,
) -> tuple[DensityModule, TrainingRecord]:
    """Go on with the training of a stream.

    Parameters
    ----------
    net : DensityNet
        From `make_stream`.
    rows : Rows
        Training rows of the chunk.
    holdout : Rows or None
        Rows that no chunk trains on, which choose the weights that are kept.
    options, generator
        As in `train`; callbacks and verbosity are those of `make_stream`.

    Returns
    -------
    module : DensityModule
        A copy with the best weights.
    record : TrainingRecord
        History of the chunk, without an entry for the weights before; `best_epoch` counts within
        it, 0 for the weights that were kept before.
    """
    net.holdout = holdout
    net.lr, net.batch_size, net.max_epochs = (
        options.learning_rate,
        options.batch_size,
        options.max_epochs,
    )
    net.iterator_train__noise, net.iterator_train__generator = options.noise, generator
    net.course.max_time, net.course.n_steps = options.max_time, n_steps_of(options, len(rows))
    for group in net.optimizer_.param_groups:
        group["weight_decay"] = options.weight_decay / group[FACTOR]
    first = len(net.history)
    net.partial_fit(rows)
    module = copy.deepcopy(net.module_)
    module.load_state_dict(net.best_weights.kept_)
    history = history_columns(net, list(net.history)[first:])
    # The rate that was asked for, to which the first steps of a stream rise.
    history["learning_rate"][:] = options.learning_rate
    n_epochs = len(history["epoch"])
    best = max(0, net.best_weights.best_epoch_ - first)
    return module, TrainingRecord(history, n_epochs, best, net.ended_by_, net.parts_.n)

"""One call that trains a density module: everything skorch needs, from plain settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from .callbacks import BestWeights, EpochBar, WarmupCosine
from .data import Noise, Rows
from .net import DensityNet


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Parameters
    ----------
    max_epochs, batch_size, learning_rate, weight_decay, tol, callbacks, verbose
        As in the estimators, with ``batch_size`` settled.
    patience : int or None
        Epochs without a gain on the hold-out after which training stops; None never stops it.
    noise : Noise
        What is added to the training rows.
    schedule : bool, default=True
        Whether the learning rate warms up and falls, or stays.
    """

    max_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    patience: int | None
    tol: float
    noise: Noise
    callbacks: Sequence = ()
    verbose: int = 0
    schedule: bool = True


@dataclass(frozen=True)
class TrainingRecord:
    """What happened.

    Parameters
    ----------
    history : dict of ndarray
        Columns by name, one entry an epoch after entry 0, the start.
    n_epochs : int
        Number of epochs run.
    best_epoch : int
        Epoch whose weights are left in the module, 0 for the start.
    """

    history: dict[str, np.ndarray] = field(default_factory=dict)
    n_epochs: int = 0
    best_epoch: int = 0


def train(
    module: nn.Module,
    rows: Rows,
    holdout: Rows | None,
    options: TrainingOptions,
    generator: torch.Generator,
) -> TrainingRecord:
    """Maximise the mean log density of `rows` in place and leave the best weights in `module`.

    Parameters
    ----------
    module : torch.nn.Module
        Maps rows to log densities.
    rows : Rows
        Training rows.
    holdout : Rows or None
        Rows by which the best epoch is chosen; without them the last one is kept.
    options : TrainingOptions
        How to train.
    generator : torch.Generator
        Source of order and noise, on the device of the rows.

    Returns
    -------
    TrainingRecord
        History of the training.

    Raises
    ------
    FitDivergedError
        If the loss stays non-finite after two returns to the best weights.
    """
    net = make_net(module, holdout, options, generator, len(rows))
    net.fit(rows)
    return _record(net)


def make_net(
    module: nn.Module,
    holdout: Rows | None,
    options: TrainingOptions,
    generator: torch.Generator,
    n_rows: int,
) -> DensityNet:
    """Build the skorch net that `train` fits.

    Parameters
    ----------
    module, holdout, options, generator
        As in `train`.
    n_rows : int
        Number of training rows, by which the schedule is laid out.

    Returns
    -------
    DensityNet
        The net; its ``fit`` takes `Rows`.
    """
    callbacks = [("best_weights", BestWeights(options.patience, options.tol))]
    if options.schedule:
        n_steps = options.max_epochs * -(-n_rows // options.batch_size)
        callbacks.append(("schedule", WarmupCosine(n_steps)))
    if options.verbose:
        callbacks.append(("progress", EpochBar(options.max_epochs)))
    return DensityNet(
        module,
        holdout=holdout,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=options.weight_decay,
        optimizer__fused=_can_fuse(module),
        lr=options.learning_rate,
        max_epochs=options.max_epochs,
        batch_size=options.batch_size,
        iterator_train__noise=options.noise,
        iterator_train__generator=generator,
        callbacks=[*callbacks, *options.callbacks],
        callbacks__print_log=None,
        device=None,
        verbose=0,
    )


def _can_fuse(module: nn.Module) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in module.parameters())


def _record(net: DensityNet) -> TrainingRecord:
    rows = list(net.history)

    def column(name: str, start: float, sign: float = 1.0) -> np.ndarray:
        return np.array([start, *(sign * row.get(name, np.nan) for row in rows)])

    history = {
        "epoch": np.arange(len(rows) + 1),
        "train_log_density": column("train_loss", np.nan, -1.0),
        "valid_log_density": column("valid_loss", -net.best_weights.initial_loss_, -1.0),
        "learning_rate": column("learning_rate", np.nan),
        "seconds": column("dur", 0.0),
    }
    return TrainingRecord(history, len(rows), net.best_weights.best_epoch_)

"""One call that trains a density module: everything skorch needs, from plain settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ..exceptions import InvalidParameterError
from .callbacks import BestWeights, DivergenceWarmUp, EpochBar, Monitor, WarmupCosine
from .data import Noise, Rows
from .net import DensityNet

HISTORY = ("epoch", "train_log_density", "valid_log_density", "learning_rate", "seconds")


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
    max_setbacks : int, default=2
        How often a non-finite loss may send training back to the best weights.
    divergence_warmup : float, default=0.0
        Share of the epochs over which the divergence of a variational module warms up.
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
    max_setbacks: int = 2
    divergence_warmup: float = 0.0


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
    if not has_parameters(module):
        start = {"epoch": np.zeros(1, dtype=int), "seconds": np.zeros(1)}
        return TrainingRecord({name: start.get(name, np.full(1, np.nan)) for name in HISTORY})
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
    for callback in options.callbacks:
        if not hasattr(callback, "on_train_begin"):
            raise InvalidParameterError(
                f"callbacks holds {callback!r}, which is not a skorch callback: expected instances "
                "of subclasses of skorch.callbacks.Callback."
            )
    callbacks = [("best_weights", BestWeights(options.patience, options.tol))]
    n_steps = options.max_epochs * -(-n_rows // options.batch_size)
    if options.schedule:
        callbacks.append(("schedule", WarmupCosine(n_steps)))
    if options.divergence_warmup:
        n_warm = max(1, round(options.divergence_warmup * n_steps))
        callbacks.append(("divergence_warmup", DivergenceWarmUp(n_warm)))
    if hasattr(module, "monitored"):
        callbacks.append(("monitor", Monitor()))
    if options.verbose:
        callbacks.append(("progress", EpochBar(options.max_epochs)))
    return DensityNet(
        module,
        holdout=holdout,
        max_setbacks=options.max_setbacks,
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


def continue_net(net: DensityNet, options: TrainingOptions, generator: torch.Generator) -> None:
    """Let a net that has trained already go on under other settings.

    Parameters
    ----------
    net : DensityNet
        The net.
    options : TrainingOptions
        What holds from now on; callbacks and verbosity stay as they were.
    generator : torch.Generator
        Source of order and noise.
    """
    net.lr = options.learning_rate
    net.batch_size = options.batch_size
    net.iterator_train__noise = options.noise
    net.iterator_train__generator = generator
    for group in net.optimizer_.param_groups:
        group["lr"], group["weight_decay"] = options.learning_rate, options.weight_decay


def has_parameters(module: nn.Module) -> bool:
    """Whether there is anything to train.

    Parameters
    ----------
    module : torch.nn.Module
        Which module.

    Returns
    -------
    bool
        Whether it has parameters.
    """
    return any(True for _ in module.parameters())


def monitored_names(net: DensityNet) -> list[str]:
    """Names of what the module of a net says of every epoch.

    Parameters
    ----------
    net : DensityNet
        A net that has trained.

    Returns
    -------
    list of str
        Columns of its history.
    """
    return list(getattr(net.module_, "monitored", ()))


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
    history |= {name: column(name, np.nan) for name in monitored_names(net)}
    return TrainingRecord(history, len(rows), net.best_weights.best_epoch_)

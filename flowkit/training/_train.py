"""One call that trains a density module: everything skorch needs, from plain settings."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from ..exceptions import InvalidParameterError
from .callbacks import (
    BestWeights,
    Course,
    DivergenceWarmUp,
    EpochBar,
    Monitor,
    StreamWeights,
    WarmUp,
    WarmupCosine,
)
from .data import Noise, Rows
from .net import DensityNet

HISTORY = ("epoch", "train_log_density", "valid_log_density", "learning_rate", "seconds")

# Who asks for fewer epochs knows that they are few.
_MIN_TREND_EPOCHS = 40


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Parameters
    ----------
    max_epochs, max_time, batch_size, learning_rate, weight_decay, tol, callbacks, verbose
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
    max_time: float | None = None


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
    ended_by : {'max_epochs', 'patience', 'max_time', 'callback', 'interrupt'}, \
            default='max_epochs'
        What ended it.
    """

    history: dict[str, np.ndarray] = field(default_factory=dict)
    n_epochs: int = 0
    best_epoch: int = 0
    ended_by: str = "max_epochs"

    @property
    def broken_off(self) -> bool:
        """Whether it was ended from outside."""
        return self.ended_by in ("max_time", "callback", "interrupt")

    def late_gain(self) -> tuple[float, int]:
        """What the hold-out gained in the last part of a training that nobody broke off.

        Returns
        -------
        gain : float
            Nats by which the best of the last epochs is above the best before, or, if less, their
            mean above that of as many epochs before; 0 without a hold-out, where patience or a
            callback ended training, and after few epochs.
        n_epochs : int
            Number of these last epochs.
        """
        n_late = self.n_epochs // 2
        if self.ended_by not in ("max_epochs", "max_time") or self.n_epochs < _MIN_TREND_EPOCHS:
            return 0.0, n_late
        rising = self.history["valid_log_density"]
        if not np.isfinite(rising).all():
            return 0.0, n_late
        late, early = rising[-n_late:], rising[:-n_late]
        gain = min(late.max() - early.max(), late.mean() - early[-n_late:].mean())
        return max(0.0, float(gain)), n_late


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
    stream: StreamWeights | None = None,
) -> DensityNet:
    """Build the skorch net that `train` fits.

    Parameters
    ----------
    module, holdout, options, generator
        As in `train`.
    n_rows : int
        Number of training rows, by which the schedule is laid out.
    stream : StreamWeights or None, default=None
        What keeps weights where training goes on from chunk to chunk.

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
    n_steps = options.max_epochs * -(-n_rows // options.batch_size)
    callbacks = [
        ("best_weights", stream or BestWeights(options.patience, options.tol)),
        ("course", Course(n_steps, options.max_time)),
    ]
    if stream is not None:
        callbacks.append(("warmup", WarmUp()))
    elif options.schedule:
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


def make_stream(
    module: nn.Module,
    path: dict[str, np.ndarray] | None,
    options: TrainingOptions,
    generator: torch.Generator,
) -> DensityNet:
    """Build the net that `train_chunk` trains, chunk after chunk.

    Parameters
    ----------
    module : torch.nn.Module
        Maps rows to log densities; its weights are the first to be kept.
    path : dict of ndarray or None
        Weights from which training goes on, as `path_of` gives them; None for those of the module.
    options, generator
        As in `train`; callbacks and verbosity stay.

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
) -> tuple[nn.Module, TrainingRecord]:
    """Go on with the training of a stream.

    Parameters
    ----------
    net : DensityNet
        From `make_stream`.
    rows : Rows
        Training rows of the chunk.
    holdout : Rows or None
        Rows that no chunk trains on, which decide what weights are kept.
    options, generator
        As in `train`; callbacks and verbosity stay.

    Returns
    -------
    module : torch.nn.Module
        A copy with the best weights.
    record : TrainingRecord
        History of the chunk, without a start; `best_epoch` counts within it, 0 for what was kept
        before.
    """
    net.holdout = holdout
    net.lr, net.batch_size, net.max_epochs = (
        options.learning_rate,
        options.batch_size,
        options.max_epochs,
    )
    net.iterator_train__noise, net.iterator_train__generator = options.noise, generator
    net.course.max_time = options.max_time
    for group in net.optimizer_.param_groups:
        group["weight_decay"] = options.weight_decay
    first = len(net.history)
    net.partial_fit(rows)
    module = copy.deepcopy(net.module_)
    module.load_state_dict(net.best_weights.kept_)
    history = _columns(net, list(net.history)[first:])
    # The rate that was asked for, to which the first steps of a stream rise.
    history["learning_rate"][:] = options.learning_rate
    n_epochs = len(history["epoch"])
    best = max(0, net.best_weights.best_epoch_ - first)
    return module, TrainingRecord(history, n_epochs, best, net.ended_by_)


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


def _can_fuse(module: nn.Module) -> bool:
    return all(p.device.type in ("cpu", "cuda") for p in module.parameters())


def _record(net: DensityNet) -> TrainingRecord:
    rows = list(net.history)
    start = {"valid_loss": net.best_weights.initial_loss_, "dur": 0.0}
    history = _columns(net, [start, *rows])
    return TrainingRecord(history, len(rows), net.best_weights.best_epoch_, net.ended_by_)


def _columns(net: DensityNet, rows: list[dict]) -> dict[str, np.ndarray]:
    def column(name: str, sign: float = 1.0) -> np.ndarray:
        return np.array([sign * row.get(name, np.nan) for row in rows])

    columns = {
        "epoch": np.arange(len(rows)),
        "train_log_density": column("train_loss", -1.0),
        "valid_log_density": column("valid_loss", -1.0),
        "learning_rate": column("learning_rate"),
        "seconds": column("dur"),
    }
    return columns | {name: column(name) for name in getattr(net.module_, "monitored", ())}

"""One call that trains a density module: everything skorch needs, from plain settings."""

from __future__ import annotations

import torch
from skorch.callbacks import Callback
from torch import nn

from ..exceptions import InvalidParameterError
from ..modules import DensityModule
from .best_weights import BestWeights, StreamWeights
from .callbacks import Course, DivergenceWarmUp, Monitor, ProgressBar, WarmUp, WarmupCosine
from .data import Rows, UnreadRows, rows_per_pass
from .net import DensityNet
from .options import TrainingOptions
from .processes import current_processes
from .record import TrainingRecord, record_of, untrained_record

# A fit is a thousand steps: second moments that remember as many would lag behind.
_BETAS = (0.9, 0.99)


def train(
    module: DensityModule,
    rows: Rows | UnreadRows,
    holdout: Rows | None,
    options: TrainingOptions,
    generator: torch.Generator,
) -> TrainingRecord:
    """Minimise the loss of `module` on `rows` in place; leave it with its best weights, refreshed.

    Parameters
    ----------
    module : DensityModule
        What to train.
    rows : Rows or UnreadRows
        Training rows.
    holdout : Rows or None
        Rows that choose the best epoch; without them the last one is kept.
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
    BatchMemoryError
        If not even the smallest part of a batch fits into memory.
    """
    if not has_parameters(module):
        return untrained_record()
    net = make_net(module, holdout, options, generator, len(rows))
    net.fit(rows)
    return record_of(net)


def make_net(
    module: DensityModule,
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

    Raises
    ------
    InvalidParameterError
        If one of the callbacks is not a skorch callback.
    """
    for callback in options.callbacks:
        # skorch makes instances of classes itself.
        made = callback if isinstance(callback, type) else type(callback)
        if not issubclass(made, Callback):
            raise InvalidParameterError(
                f"callbacks holds {callback!r}, which is not a skorch callback: expected instances "
                "of subclasses of skorch.callbacks.Callback."
            )
    n_steps = n_steps_of(options, n_rows)
    callbacks = [
        ("best_weights", stream or BestWeights(_patience(options, n_steps), options.tol)),
        ("course", Course(n_steps, options.max_time)),
        ("monitor", Monitor()),
    ]
    if stream is not None:
        callbacks.append(("warmup", WarmUp()))
    elif options.schedule:
        callbacks.append(("schedule", WarmupCosine(n_steps)))
    if options.divergence_warmup:
        n_warm = max(1, round(options.divergence_warmup * n_steps))
        callbacks.append(("divergence_warmup", DivergenceWarmUp(n_warm)))
    if options.verbose and current_processes().is_main:
        callbacks.append(("progress", ProgressBar()))
    # Last, so that it finds what all others have made of an epoch.
    last = [] if options.checkpoint is None else [("checkpoint", options.checkpoint)]
    return DensityNet(
        module,
        holdout=holdout,
        max_setbacks=options.max_setbacks,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=options.weight_decay,
        optimizer__fused=_can_fuse(module),
        optimizer__betas=_BETAS,
        lr=options.learning_rate,
        max_epochs=options.max_epochs,
        batch_size=options.batch_size,
        iterator_train__noise=options.noise,
        iterator_train__generator=generator,
        iterator_train__max_rows=options.max_rows,
        callbacks=[*callbacks, *options.callbacks, *last],
        callbacks__print_log=None,
        device=None,
        verbose=0,
    )


def n_steps_of(options: TrainingOptions, n_rows: int) -> int:
    """Number of steps of a training on this many rows that nothing ends early."""
    return options.max_epochs * -(-rows_per_pass(n_rows, options.max_rows) // options.batch_size)


def _patience(options: TrainingOptions, n_steps: int) -> int | None:
    """Patience in epochs, long enough for the number of steps that it lasts at least."""
    if options.patience is None:
        return None
    n_steps_epoch = n_steps // options.max_epochs
    return max(options.patience, -(-options.patience_steps // n_steps_epoch))


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

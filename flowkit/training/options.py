"""How to train, as plain settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .checkpoint import Checkpoint
from .data import Noise


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Parameters
    ----------
    max_epochs : int
        Largest number of passes over the training rows.
    batch_size : int
        Largest number of rows in a batch.
    learning_rate : float
        Largest learning rate of AdamW.
    weight_decay : float
        Weight decay of AdamW.
    patience : int or None
        Epochs without a gain on the hold-out after which training stops; None never stops it.
    tol : float
        Gain in nats that counts for `patience`.
    noise : Noise
        What is added to the training rows.
    callbacks : sequence of skorch.callbacks.Callback, default=()
        Further callbacks.
    verbose : int, default=0
        Whether to show a progress bar.
    patience_steps : int, default=0
        Number of steps without a gain that `patience` lasts at least.
    schedule : bool, default=True
        Whether the learning rate warms up and then falls, or stays.
    max_setbacks : int, default=2
        How often a non-finite loss may send training back to the best weights.
    divergence_warmup : float, default=0.0
        Fraction of the epochs over which ``warmth`` of the module rises to one.
    max_time : float or None, default=None
        Seconds that training may take; None for any number.
    max_rows : int or None, default=None
        Largest number of rows in an epoch, drawn anew for each; None for all.
    checkpoint : Checkpoint or None, default=None
        What keeps the training on disk.
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
    patience_steps: int = 0
    schedule: bool = True
    max_setbacks: int = 2
    divergence_warmup: float = 0.0
    max_time: float | None = None
    max_rows: int | None = None
    checkpoint: Checkpoint | None = None

"""What happened in a training, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .net import DensityNet

HISTORY = ("epoch", "train_log_density", "valid_log_density", "learning_rate", "seconds")

# Who asks for fewer epochs knows that they are few.
_MIN_TREND_EPOCHS = 40


@dataclass(frozen=True)
class TrainingRecord:
    """What happened.

    Parameters
    ----------
    history : dict of ndarray
        Columns by name, one entry an epoch after entry 0, the initial weights.
    n_epochs : int
        Number of epochs run.
    best_epoch : int
        Epoch whose weights are left in the module, 0 for the initial ones.
    ended_by : {'max_epochs', 'patience', 'max_time', 'callback', 'interrupt'}, \
            default='max_epochs'
        What ended it.
    n_parts : int, default=1
        Number of parts in which batches went through the module in the end, as memory allowed.
    """

    history: dict[str, np.ndarray] = field(default_factory=dict)
    n_epochs: int = 0
    best_epoch: int = 0
    ended_by: str = "max_epochs"
    n_parts: int = 1

    @property
    def broken_off(self) -> bool:
        """Whether it was ended from outside."""
        return self.ended_by in ("max_time", "callback", "interrupt")

    def late_gain(self) -> tuple[float, int]:
        """Gain of the hold-out in the last part of training.

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


def untrained_record() -> TrainingRecord:
    """Record of a module that has nothing to train: one entry, and no epoch."""
    start = {"epoch": np.zeros(1, dtype=int), "seconds": np.zeros(1)}
    return TrainingRecord({name: start.get(name, np.full(1, np.nan)) for name in HISTORY})


def record_of(net: DensityNet) -> TrainingRecord:
    """Record of a net after its training, entry 0 for the initial weights.

    Parameters
    ----------
    net : DensityNet
        A trained net.

    Returns
    -------
    TrainingRecord
        The record.
    """
    rows = list(net.history)
    start = {"valid_loss": net.best_weights.initial_loss_, "dur": 0.0}
    history = history_columns(net, [start, *rows])
    best = net.best_weights.best_epoch_
    return TrainingRecord(history, len(rows), best, net.ended_by_, net.parts_.n)


def history_columns(net: DensityNet, rows: list[dict]) -> dict[str, np.ndarray]:
    """Columns of a history from rows of that of skorch.

    Parameters
    ----------
    net : DensityNet
        Whose module says what else is monitored.
    rows : list of dict
        One entry an epoch.

    Returns
    -------
    dict of ndarray
        Columns by name, NaN where a row lacks them; losses as log densities.
    """

    def column(name: str, sign: float = 1.0) -> np.ndarray:
        return np.array([sign * row.get(name, np.nan) for row in rows])

    columns = {
        "epoch": np.arange(len(rows)),
        "train_log_density": column("train_loss", -1.0),
        "valid_log_density": column("valid_loss", -1.0),
        "learning_rate": column("learning_rate"),
        "seconds": column("dur"),
    }
    return columns | {name: column(name) for name in net.module_.monitored}

"""How training went, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..nested import find


@dataclass(frozen=True, eq=False)
class Training:
    """Log densities of training rows and hold-out after each epoch.

    Parameters
    ----------
    name : str
        Class of what was trained.
    epochs, train, valid : ndarray of shape (n_epochs,)
        The epochs and mean log densities, NaN where there is none.
    best_epoch : int or None
        Epoch whose weights were kept.
    max_epochs, patience : int or None
        Most epochs that were allowed, and after how many without a gain training ends.
    n_features : int
        Number of columns that it sees.
    """

    name: str
    epochs: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    best_epoch: int | None
    max_epochs: int | None
    patience: int | None
    n_features: int

    @property
    def n_epochs(self) -> int:
        """Number of epochs; epoch 0, before any training, is none."""
        return int(self.epochs[-1])

    @property
    def ran_out_of_patience(self) -> bool:
        """Whether training ended because nothing was gained any more."""
        if self.best_epoch is None or self.patience is None:
            return False
        return self.n_epochs - self.best_epoch >= self.patience

    def late_gain(self) -> tuple[float, int]:
        """Gain of the hold-out in the last half of the epochs, and their number: that of the best
        of these over the best before or, if less, of their mean over that of as many before."""
        n_late = len(self.valid) // 2
        late, early = self.valid[-n_late:], self.valid[:-n_late]
        gain = min(late.max() - early.max(), late.mean() - early[-n_late:].mean())
        return max(0.0, float(gain)), n_late

    def described(self) -> dict:
        """The curves, as plain values."""
        return {
            "estimator": self.name,
            "epochs": self.epochs.tolist(),
            "train_log_density": self.train.tolist(),
            "valid_log_density": self.valid.tolist(),
            "best_epoch": self.best_epoch,
            "max_epochs": self.max_epochs,
        }


def training_of(estimator) -> Training | None:
    """The training of a density, or of the first one that an estimator holds; None without one.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    """
    trained = find(estimator, "history_").estimator
    history = getattr(trained, "history_", None)
    if history is None or not len(history["epoch"]):
        return None
    names = ("best_epoch_", "max_epochs", "n_iter_no_change")
    best, most, patience = (getattr(trained, name, None) for name in names)
    return Training(
        type(trained).__name__,
        np.asarray(history["epoch"]),
        np.asarray(history["train_log_density"], dtype=np.float64),
        np.asarray(history["valid_log_density"], dtype=np.float64),
        None if best is None else int(best),
        None if most is None else int(most),
        None if patience is None else int(patience),
        trained.n_features_in_,
    )

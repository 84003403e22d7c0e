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
    max_epochs : int or None
        Most epochs that were allowed.
    n_features : int
        Number of columns that it sees.
    """

    name: str
    epochs: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    best_epoch: int | None
    max_epochs: int | None
    n_features: int

    def late_gain(self) -> tuple[float, int]:
        """How much the best of the hold-out rose in the last tenth of the epochs, and these."""
        valid = self.valid[np.isfinite(self.valid)]
        n_last = max(1, len(valid) // 10)
        if len(valid) <= n_last:
            return 0.0, n_last
        return float(valid.max() - valid[:-n_last].max()), n_last

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
    best, most = (getattr(trained, name, None) for name in ("best_epoch_", "max_epochs"))
    return Training(
        type(trained).__name__,
        np.asarray(history["epoch"]),
        np.asarray(history["train_log_density"], dtype=np.float64),
        np.asarray(history["valid_log_density"], dtype=np.float64),
        None if best is None else int(best),
        None if most is None else int(most),
        trained.n_features_in_,
    )

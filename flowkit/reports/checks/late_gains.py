"""R6: training ended while it still gained."""

from __future__ import annotations

import numpy as np

from ._base import WARNING, Check, found, not_checked, passed

# Nats a column that the last half of the epochs may gain, and fewest epochs that show a trend.
_ALLOWED, _FEWEST = 0.05, 4


class LateGains(Check):
    number, page = "R6", "late_gains"
    title = "Training ended too early"
    severity = WARNING

    def look(self, evidence):
        training = evidence.training
        if training is None:
            return not_checked("nothing here was trained epoch by epoch")
        if not np.isfinite(training.valid).all():
            return not_checked("training had no hold-out")
        if training.n_epochs < _FEWEST:
            return found(
                f"Training had {training.n_epochs} epochs only, which show no trend. Raise "
                f"max_epochs (now {training.max_epochs}) or max_time."
            )
        gain, n_late = training.late_gain()
        told = (
            f"In the last {n_late} of {training.n_epochs} epochs the hold-out gained {gain:.2f} "
            f"nats a row; the weights of epoch {training.best_epoch} were kept."
        )
        if training.ran_out_of_patience:
            return passed(f"{told} Then nothing was gained for {training.patience} epochs.")
        if gain > _ALLOWED * training.n_features:
            return found(f"{told} Raise max_epochs (now {training.max_epochs}) or max_time.")
        return passed(told)

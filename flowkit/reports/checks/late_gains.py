"""R6: training ended while it still gained."""

from __future__ import annotations

import numpy as np

from ._base import WARNING, Check, found, not_checked, passed

# Nats a column that the last tenth of the epochs may gain.
_ALLOWED = 0.02


class LateGains(Check):
    number, page = "R6", "late_gains"
    title = "Training ended too early"
    severity = WARNING

    def look(self, evidence):
        training = evidence.training
        if training is None:
            return not_checked("nothing here was trained epoch by epoch")
        if not np.isfinite(training.valid).any():
            return not_checked("training had no hold-out")
        gain, n_last = training.late_gain()
        told = (
            f"In the last {n_last} of {len(training.epochs)} epochs the hold-out gained {gain:.3f} "
            f"nats a row; the weights of epoch {training.best_epoch} were kept."
        )
        if gain > _ALLOWED * training.n_features:
            return found(f"{told} Raise max_epochs (now {training.max_epochs}) or max_time.")
        return passed(told)

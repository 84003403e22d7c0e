"""R1: training rows are likelier than rows held out."""

from __future__ import annotations

import numpy as np

from .._comparison import OURS, standard_error
from .._numbers import fixed
from ._base import WARNING, Check, found, not_checked, passed

# Nats a column that rows held out may lack, and standard errors that this must exceed.
_ALLOWED, _ERRORS = 0.1, 3.0


class HoldOutGap(Check):
    number, page = "R1", "hold_out_gap"
    title = "Training rows are likelier than new ones"
    severity = WARNING

    def look(self, evidence):
        comparison = evidence.comparison
        if isinstance(comparison, str):
            return not_checked(comparison)
        train, test = (
            scores[np.isfinite(scores)]
            for scores in (comparison.training_scores, comparison.scores[OURS])
        )
        if len(train) < 2 or len(test) < 2:
            return not_checked("hardly any row has a finite log density")
        gap = train.mean() - test.mean()
        error = np.hypot(standard_error(train), standard_error(test))
        told = (
            f"The log density of training rows is {fixed(train.mean())} nats on average, that of "
            f"rows held out {fixed(test.mean())}: a gap of {fixed(gap)} ± {fixed(error)} nats a "
            "row."
        )
        n_features = evidence.shape[1]
        if gap > _ALLOWED * n_features and gap > _ERRORS * error:
            return found(
                f"{told} The density follows single training rows: scores of these say less."
            )
        return passed(told)

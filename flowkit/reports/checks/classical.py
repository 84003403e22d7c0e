"""R2: a classical density fits rows held out better."""

from __future__ import annotations

import numpy as np

from .._comparison import OURS
from .._numbers import fixed
from ._base import SERIOUS, Check, found, not_checked, passed

_ERRORS = 2.0


class WorseThanClassical(Check):
    number, page = "R2", "worse_than_classical"
    title = "A classical density fits better"
    severity = SERIOUS

    def look(self, evidence):
        comparison = evidence.comparison
        if isinstance(comparison, str):
            return not_checked(comparison)
        other = comparison.best_other
        if other is None:
            return not_checked("no classical density could be fitted to these rows")
        (gain, error), ours = comparison.gain(other), comparison.scores[OURS]
        n_impossible = int(np.isneginf(ours).sum())
        if n_impossible and np.isfinite(comparison.scores[other]).all():
            return found(
                f"The density holds {n_impossible} of the {comparison.n_test} rows held out "
                f"impossible, the {other} none."
            )
        verb = "gains" if gain >= 0 else "loses"
        told = (
            f"Beside the best of the classical ones, the {other}, the density {verb} "
            f"{fixed(abs(gain))} ± {fixed(error)} nats a row on the {comparison.n_test} rows held "
            "out."
        )
        if gain < -_ERRORS * error:
            return found(f"{told} Use that one, or train longer.")
        return passed(told)

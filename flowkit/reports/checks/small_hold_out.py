"""R5: too few rows were held out to compare densities."""

from __future__ import annotations

import numpy as np

from .._numbers import fixed, signed
from ._base import NOTE, Check, found, not_checked, passed

_FEWEST = 100


class SmallHoldOut(Check):
    number, page = "R5", "small_hold_out"
    title = "Few rows were held out"
    severity = NOTE

    def look(self, evidence):
        comparison = evidence.comparison
        if isinstance(comparison, str):
            return not_checked(comparison)
        other, told = comparison.best_other, f"{comparison.n_test} rows were held out."
        if other is None:
            return not_checked("no classical density could be fitted to these rows")
        gain, error = comparison.gain(other)
        if np.isnan(gain):
            return not_checked("hardly any row held out has a finite log density")
        if comparison.n_test < _FEWEST:
            unsure = "it could be chance" if abs(gain) < 2 * error else "it is more than chance"
            return found(
                f"{told} With so few, a difference of {signed(gain)} nats has a standard error of "
                f"{fixed(error)}: {unsure}. Repeat with other seeds, or cross-validate."
            )
        return passed(told)

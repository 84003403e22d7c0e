"""How far the log density lies from that of typical rows."""

from __future__ import annotations

import numpy as np

from ...exceptions import InvalidDataError
from ._base import Statistic


class Typicality(Statistic):
    """Minus the distance of the log density from its mean over training rows.

    Attributes
    ----------
    mean_ : float
        That mean, over rows of positive density, in nats.
    """

    name = "typicality"
    description = (
        "minus the distance of the log density from its mean over training rows, in nats, since "
        "rows can be too likely to be true."
    )
    unit = "nats, by typicality"
    takes_incomplete_rows = True

    def fit(self, member, X):
        log_density = member.log_density(X)
        possible = np.isfinite(log_density)
        if not possible.any():
            raise InvalidDataError(
                "statistic='typicality' needs training rows of finite log density, but found none: "
                "give rows within the support of the density."
            )
        self.mean_ = log_density[possible].mean()
        return self

    def score(self, member, X):
        return -np.abs(member.log_density(X) - self.mean_)

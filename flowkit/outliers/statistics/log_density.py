"""The log density itself."""

from __future__ import annotations

from ._base import Statistic


class LogDensity(Statistic):
    """The log density of a row, in nats."""

    name = "log_density"
    description = "the log density, in nats; the best score for tables."
    label = "log density"
    takes_incomplete_rows = True

    def score(self, member, X):
        return member.log_density(X)

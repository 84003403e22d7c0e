"""R8: the scores follow a single column."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from ._base import WARNING, Check, found, not_checked, passed

_FEWEST_COLUMNS, _FEWEST_ROWS = 3, 50
_N_BINS, _SHARE = 20, 0.9


class OneColumn(Check):
    number, page = "R8", "one_column"
    title = "One column alone decides the scores"
    severity = WARNING

    def look(self, evidence):
        n, n_columns = evidence.shape
        if n_columns < _FEWEST_COLUMNS or n < _FEWEST_ROWS:
            return not_checked("there are too few columns or rows")
        # Ranks, as single scores may be very low or -inf.
        ranks = rankdata(evidence.scores)
        shares = [_explained(column, ranks) for column in evidence.columns]
        best = int(np.argmax(shares))
        told = (
            f"Column {evidence.columns[best].name} alone explains {max(shares[best], 0):.0%} of "
            "the order of the rows by score, more than any other."
        )
        if shares[best] > _SHARE:
            return found(f"{told} The others hardly count: rows strange in these are missed.")
        return passed(told)


def _explained(column, ranks) -> float:
    """Share of the variance of ranks that groups of like values explain, allowing for chance."""
    groups = _groups(column)
    n, counts = len(ranks), np.bincount(groups)
    counts = counts[counts > 0]
    if len(counts) < 2 or n <= 2 * len(counts) or np.ptp(ranks) == 0:
        return 0.0
    _, groups = np.unique(groups, return_inverse=True)
    means = np.bincount(groups, ranks) / counts
    within = ((ranks - means[groups]) ** 2).sum() / (n - len(counts))
    return 1 - within / ranks.var(ddof=1)


def _groups(column):
    """Bins of like values; missing ones are together."""
    if column.is_level:
        codes = {value: i + 1 for i, (value, _) in enumerate(column.counts)}
        return np.array([codes.get(value, 0) for value in column.values])
    edges = (
        np.unique(np.quantile(column.present, np.linspace(0, 1, _N_BINS + 1)[1:-1]))
        if len(column.present)
        else np.array([])
    )
    groups = np.searchsorted(edges, column.numbers, side="right") + 1
    return np.where(np.isnan(column.numbers), 0, groups)

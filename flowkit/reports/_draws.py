"""Rows drawn from a density, beside the rows that it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp, spearmanr

from ..exceptions import FlowkitError
from ..nested import can_be_drawn_from, draw_from
from ._columns import Column, read_columns

_MOST_PAIRED = 30


@dataclass(frozen=True, eq=False)
class Draws:
    """Columns of rows that were drawn.

    Parameters
    ----------
    data, drawn : list of Column
        Columns of the table, and the same of the draws.
    """

    data: list[Column]
    drawn: list[Column]

    def distances(self) -> list[float]:
        """Of each column, how far data and draws differ: the largest difference of their
        cumulative shares, or half the sum of the differences of the shares of levels."""
        return [_distance(a, b) for a, b in zip(self.data, self.drawn, strict=True)]

    def correlations(self) -> list[tuple[int, int, float, float]]:
        """Pairs of columns of numbers, with their rank correlation in data and in draws."""
        numbers = [j for j, c in enumerate(self.data) if not c.is_level and len(c.counts) > 1]
        numbers = numbers[:_MOST_PAIRED]
        pairs = [(i, j) for k, i in enumerate(numbers) for j in numbers[k + 1 :]]
        return [
            (i, j, *(_correlation(c[i], c[j]) for c in (self.data, self.drawn))) for i, j in pairs
        ]

    def described(self) -> dict:
        """Distances and correlations, as plain values."""
        names = [column.name for column in self.data]
        return {
            "rows": len(self.drawn[0].values),
            "distances": dict(zip(names, self.distances(), strict=True)),
            "rank_correlations": [
                {"columns": [names[i], names[j]], "data": data, "drawn": drawn}
                for i, j, data, drawn in self.correlations()
            ],
        }


def draw(estimator, columns: list[Column], n: int, seed: int) -> Draws | str:
    """Draw rows from a density.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    columns : list of Column
        Columns of the table that it was fitted to.
    n : int
        Number of rows.
    seed : int
        Source of randomness.

    Returns
    -------
    Draws or str
        The draws, or why there are none.
    """
    if not can_be_drawn_from(estimator):
        return f"{type(estimator).__name__} cannot be drawn from"
    try:
        rows = draw_from(estimator, n, seed, dtype=None)
    except (FlowkitError, NotImplementedError) as error:
        return str(error)
    return Draws(columns, read_columns(rows, like=columns))


def _distance(data, drawn):
    if data.is_level:
        shares = [{v: n / len(c.present) for v, n in c.counts} for c in (data, drawn)]
        levels = set(shares[0]) | set(shares[1])
        return 0.5 * sum(abs(shares[0].get(v, 0) - shares[1].get(v, 0)) for v in levels)
    if not (len(data.present) and len(drawn.present)):
        return float("nan")
    return float(ks_2samp(data.present, drawn.present, method="asymp").statistic)


def _correlation(one, other):
    known = np.isfinite(one.numbers) & np.isfinite(other.numbers)
    x, y = one.numbers[known], other.numbers[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(spearmanr(x, y).statistic)

"""How many points and draws stand for each row of a table, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..exceptions import SlowScoringWarning
from ..validation import warn

# Points in order along a single column are as good as four times as many in several.
_FEWER_ALONE = 4
# An incomplete row gets one point in so many of those of a cell, and draws of the rest for each.
_FEWER_POINTS, _LEAST_POINTS = 8, 4
_INNER_DRAWS = 64
# Draws of the missing values in a row that has no cell to average over.
_ONLY_DRAWS = 256
# Evaluations of a density that take minutes on one core.
_MANY_EVALUATIONS = 20_000_000


@dataclass(frozen=True)
class Share:
    """Rows that are scored alike.

    Parameters
    ----------
    rows : ndarray of int
        Their indices.
    n_points : int
        Points in the cell of each.
    n_inner : int or None
        Draws of the missing values for each point; None leaves them to the density.
    """

    rows: np.ndarray
    n_points: int
    n_inner: int | None

    @property
    def n_evaluations(self) -> int:
        """Evaluations of the density in one turn of the circular columns."""
        return len(self.rows) * self.n_points * (self.n_inner or 1)

    def at_most(self, n_points: int, n_inner: int) -> Share:
        """The same rows with at most so many points and draws."""
        fewer = self.n_inner and min(self.n_inner, n_inner)
        return replace(self, n_points=min(self.n_points, n_points), n_inner=fewer)


def plan(missing, celled, n_points: int, marginalizes: bool, spans=True) -> list[Share]:
    """Shares of rows by what is missing in them.

    A missing value needs no point of a cell, and the error of its draws is common to all points.
    So rows in which values are missing get fewer points, and draws for each. Points are fewer, too,
    where one column alone has cells.

    Parameters
    ----------
    missing : ndarray of bool of shape (n, d)
        Where values are missing.
    celled : ndarray of bool of shape (d,)
        Which columns have cells to average over.
    n_points : int
        Points of a cell, a power of two.
    marginalizes : bool
        Whether the density tells the error of its integral over missing values.
    spans : bool or ndarray of bool of shape (n, d), default=True
        Which values of columns that have cells lie in one; others are points.
    """
    in_cells = (celled & spans & ~missing).any(1)
    incomplete = missing.any(1) & marginalizes
    least = min(n_points, _LEAST_POINTS)
    fewer = max(n_points // _FEWER_POINTS, least)
    usual = max(n_points // _FEWER_ALONE, least) if celled.sum() == 1 else n_points
    shares = [
        Share(np.flatnonzero(in_cells & ~incomplete), usual, None),
        Share(np.flatnonzero(in_cells & incomplete), fewer, _INNER_DRAWS),
        Share(np.flatnonzero(~in_cells & ~incomplete), 1, None),
        Share(np.flatnonzero(~in_cells & incomplete), 1, _ONLY_DRAWS),
    ]
    return [share for share in shares if share.rows.size]


def points_along(n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of the unit interval in order, and the log of their weights, whose mean is one.

    They are denser at the ends, where the density of an outer level may rise without bound.
    """
    v = (np.arange(n_points) + 0.5) / n_points
    slope = v * (1 - v)
    return v**2 * (3 - 2 * v), np.log(slope / slope.mean())


def warn_if_slow(shares: list[Share], n_turns: int) -> None:
    """Warn before scoring that may take minutes.

    Parameters
    ----------
    shares : list of Share
        Rows to score.
    n_turns : int
        Number of combined turns of circular columns.
    """
    n_evaluations = n_turns * sum(share.n_evaluations for share in shares)
    if n_evaluations <= _MANY_EVALUATIONS:
        return
    n_rows = sum(share.rows.size for share in shares)
    n_incomplete = sum(share.rows.size for share in shares if share.n_inner)
    turns = f" and {n_turns} turns of circular columns" if n_turns > 1 else ""
    warn(
        f"scoring {n_rows} different rows, of which {n_incomplete} have missing values, takes "
        f"{n_evaluations:.1e} evaluations of the density, for points in cells, draws of what is "
        f"missing{turns}: this may take minutes. Fewer n_draws make it shorter in proportion, at "
        "the cost of accuracy (return_std=True), or score fewer rows at a time.",
        SlowScoringWarning,
    )

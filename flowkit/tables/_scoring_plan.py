"""How many points and draws stand for each row of a table, and what that costs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from ..exceptions import InaccurateScoresWarning, SlowScoringWarning
from ..missing import FIRST_DRAWS, N_DRAWS
from ..validation import warn
from ._cell_rules import (
    CellRule,
    first_order,
    gauss_rule,
    power_of_two,
    rules,
    single_point,
    sobol_rule,
)

# An incomplete row gets one point in so many of those of a cell, and draws of the rest for each.
_FEWER_POINTS, _LEAST_POINTS = 8, 4
_INNER_DRAWS = 64
# Nats of error that are large, and the share of rows from which a warning says so.
_LARGE_ERROR, _MANY_ROWS = 0.25, 0.01
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
        Points in the cell of each, before those of large errors get more.
    n_inner : int or None
        Draws of the missing values for each point; `N_DRAWS` are the most, and drawn only where
        fewer have a large error. None leaves them to the density.
    n_cells : int, default=0
        In how many columns each has a cell, 2 if it is more.
    is_rough : bool, default=False
        Whether no row gets more points.
    """

    rows: np.ndarray
    n_points: int
    n_inner: int | None
    n_cells: int = 0
    is_rough: bool = False

    def rules(self, n_columns: int, n_draws: int) -> list[CellRule]:
        """Rules for these rows, each of more points than the one before it.

        Parameters
        ----------
        n_columns : int
            In how many columns rows may have cells.
        n_draws : int
            Number of points in several cells that is asked for.
        """
        if not self.is_rough and self.n_inner is None:
            return rules(self.n_cells, n_columns, n_draws)
        if self.n_cells > 1:
            return [sobol_rule(self.n_points, n_columns)]
        return [gauss_rule(self.n_points) if self.n_cells else single_point()]

    @property
    def n_evaluations(self) -> int:
        """Evaluations of the density in one turn of the circular columns, before errors tell."""
        n_inner = FIRST_DRAWS if self.n_inner == N_DRAWS else self.n_inner or 1
        return len(self.rows) * self.n_points * n_inner

    def at_most(self, n_points: int, n_inner: int) -> Share:
        """The same rows with at most so many points and draws."""
        fewer = self.n_inner and min(self.n_inner, n_inner)
        n_points = min(self.n_points, n_points)
        return replace(self, n_points=n_points, n_inner=fewer, is_rough=True)


def plan(missing, celled, n_points: int, marginalizes: bool, spans=True) -> list[Share]:
    """Shares of rows by what is missing in them, and by in how many columns they have a cell.

    A missing value needs no point of a cell, and the error of its draws is common to all points.
    So rows in which values are missing get fewer points, and draws for each.

    Parameters
    ----------
    missing : ndarray of bool of shape (n, d)
        Where values are missing.
    celled : ndarray of bool of shape (d,)
        Which columns have cells to average over.
    n_points : int
        Points that are asked for where rows have cells in several columns.
    marginalizes : bool
        Whether the density tells the error of its integral over missing values.
    spans : bool or ndarray of bool of shape (n, d), default=True
        Which values of columns that have cells lie in one; others are points.
    """
    n_cells = np.minimum((celled & spans & ~missing).sum(1), 2)
    incomplete, shares = missing.any(1), []
    for cells, is_incomplete in itertools.product(range(3), [False, True]):
        # Complete rows never stand beside incomplete ones, which another method may score.
        rows = np.flatnonzero((n_cells == cells) & (incomplete == is_incomplete))
        number, n_inner = _usual_points(cells, n_points), None
        if is_incomplete and marginalizes:
            number = power_of_two(max(n_points // _FEWER_POINTS, _LEAST_POINTS)) if cells else 1
            n_inner = _INNER_DRAWS if cells else N_DRAWS
        shares.append(Share(rows, number, n_inner, cells))
    return [share for share in shares if share.rows.size]


def _usual_points(n_cells, n_points):
    """Points of a row by the number of its cells, and the number of those of several cells."""
    return [1, first_order(n_points), power_of_two(n_points)][n_cells]


def warn_if_inaccurate(shares: list[Share], error: np.ndarray) -> None:
    """Warn of scores whose average over cells has a large error.

    Parameters
    ----------
    shares : list of Share
        Rows that were scored.
    error : ndarray of shape (n,)
        Standard errors of all of them, in nats.
    """
    of_cells = [error[share.rows] for share in shares if share.n_cells and share.n_inner is None]
    if not of_cells:
        return
    large = np.concatenate(of_cells) > _LARGE_ERROR
    if large.mean() <= _MANY_ROWS:
        return
    warn(
        f"{large.sum()} of {large.size} different rows have scores whose standard error is above "
        f"{_LARGE_ERROR:g} nats, as their probability is an average over points in the cells of "
        "discrete columns: give more n_draws, and see each error with return_std=True.",
        InaccurateScoresWarning,
    )


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

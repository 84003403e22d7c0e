"""Scores of a table from those of its encoded columns.

A discrete value is a cell of the encoded columns, whose probability is the mean over points in it;
an angle is its encoded value and that one turn to either side, whose densities add up.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..conditions import Questions, exact_questions_of, questions_of
from ..missing import N_DRAWS, shares
from ..nested import (
    estimates_of,
    log_density_of,
    own_kernels_of,
    score_inside,
    tells_error,
)
from ..validation import row_blocks
from ._cell_copula import CellCopula
from ._cell_laws import OpenCells
from ._cell_locations import opened_rows
from ._cell_rules import few_points, from_middles, single_point, toward_middles
from ._column_codecs import Codec
from ._scoring_plan import plan, warn_if_inaccurate, warn_if_slow
from ._table_input import takes_missing

# Values that go to the inner density at once.
_CHUNK_VALUES = 2**20
# Rough scores: points within cells, how much fewer draws of the missing values each gets, and the
# fewest it gets.
_FEW_POINTS, _FEW_DRAWS, _LEAST_DRAWS = 32, 4, 4


@dataclass(frozen=True)
class EncodedDensity:
    """A fitted density of encoded columns, for rows of the table.

    Rows are numbers within the support, levels by their position, NaN where values are missing.

    Parameters
    ----------
    density : estimator
        Fitted to encoded rows.
    codecs : list of Codec
        Maps of the columns.
    by_cell : bool
        Whether integers count for the probability of their cell.
    n_draws : int
        Number of points in the cell of a row.
    copula : CellCopula, default=None
        Where training rows lie within cells, None where it is not known.
    """

    density: Any
    codecs: list[Codec]
    by_cell: bool
    n_draws: int
    copula: CellCopula | None = None

    def estimates(
        self, rows: np.ndarray, n_draws: int | None = None, without: np.ndarray | None = None
    ) -> np.ndarray:
        """Log density of rows and its standard error, shape (n, 2).

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows.
        n_draws : int, default=None
            Draws of missing values in rough scores, None for accurate ones.
        without : ndarray of int of shape (n,), default=None
            A kernel that each row is scored without, as `own_kernels` gives it.
        """
        celled = np.array(self._fills())
        inverse = slice(None)
        if celled.any() or np.isnan(rows).any():
            first, inverse = _different(
                rows if without is None else np.column_stack([rows, without])
            )
            rows, without = rows[first], None if without is None else without[first]
        by_draws = self._integrates_by_draws(rows)
        shares = plan(np.isnan(rows), celled, self.n_draws, by_draws, self._spans(rows))
        if n_draws is not None:
            # Errors at different points average out, so that few points and draws are enough.
            few = max(n_draws // _FEW_DRAWS, _LEAST_DRAWS)
            shares = [
                share.at_most(_FEW_POINTS, n_draws if share.n_points == 1 else few)
                for share in shares
            ]
        warn_if_slow(shares, math.prod(len(codec.shifts) for codec in self.codecs))
        estimates = np.empty((len(rows), 2))
        for share in shares:
            stages = share.rules(celled.sum(), self.n_draws)
            # Closed forms know all kernels.
            closed = share.n_cells == 1 and share.n_inner is None and without is None
            closed = closed and self._exact is not None
            size = max(1, _CHUNK_VALUES // (share.n_points * rows.shape[1]))
            for block in row_blocks(len(share.rows), size):
                part = share.rows[block]
                if closed:
                    estimates[part] = np.column_stack(self._closed_form(rows[part]))
                    # What is too unlikely for closed forms is averaged over points.
                    part = part[np.isneginf(estimates[part, 0])]
                own = None if without is None else without[part]
                estimates[part] = self._estimates_by(stages, rows[part], share.n_inner, own)
        if n_draws is None:
            warn_if_inaccurate(shares, estimates[:, 1])
        return estimates[inverse]

    def _estimates_by(self, stages, rows, n_inner, own):
        """Estimates by the first rule whose error is small, at the latest the last."""
        estimates, todo, known = np.empty((len(rows), 2)), np.arange(len(rows)), None
        for rule in stages:
            if not todo.size:
                break
            of_rows = None if own is None else own[todo]
            log_values = self._log_values(rows[todo], rule, n_inner, of_rows)
            if rule.n_known:
                log_values = np.concatenate([known, log_values], 1)
            log_mean, of_points, of_values = rule.mean_and_error(log_values)
            estimates[todo] = np.column_stack([log_mean, np.hypot(of_points, of_values)])
            more = rule.wants_more(log_values, self.n_draws)
            todo, known = todo[more], log_values[more]
        return estimates

    def _log_values(self, rows, rule, n_inner, own):
        """Values at the points of a rule that the one before it lacks, in blocks of rows."""
        n_points = rule.n_points - rule.n_known
        size = max(1, _CHUNK_VALUES // (n_points * rows.shape[1]))
        parts = [
            self._log_weights(rows[block], rule, n_inner, None if own is None else own[block])
            for block in row_blocks(len(rows), size)
        ]
        return np.concatenate(parts)

    def score_copies(self, copies, inside, rows, known, n_draws: int | None) -> np.ndarray:
        """Log density of changed copies of rows, as if the rows had not been in training.

        Parameters
        ----------
        copies : ndarray of shape (n_inside, d)
            Copies within the support.
        inside : ndarray of bool
            Which of all copies these are.
        rows : ndarray of shape (n_known, d)
            Rows within the support that copies were made from.
        known : ndarray of bool
            Which of all rows these are.
        n_draws : int or None
            Draws of missing values, None for as many as in accurate scores.
        """
        origin = np.repeat(np.arange(len(known)), len(inside) // len(known))[inside]
        # Training rows lie anywhere in their cells: the kernels on them are not known.
        in_cells, is_point = self._spans(rows).any(1), known.copy()
        is_point[known] = ~in_cells
        rest = self._spans(copies).any(1) | (known & ~is_point)[origin]
        scores = np.empty(len(copies))
        own = self._own_of_all(rows, known)[origin]
        has_own = (own >= 0).reshape(len(own), -1).any(1)
        for part, without in ((rest & ~has_own, None), (rest & has_own, own)):
            if part.any():
                left_out = None if without is None else without[part]
                scores[part] = self.estimates(copies[part], n_draws, left_out)[:, 0]
        if not rest.all():
            among = inside.copy()
            among[inside] = ~rest
            of_points = rows[~in_cells], is_point, n_draws
            scores[~rest] = self._score_points(copies[~rest], among, *of_points)
        return scores

    def _own_of_all(self, rows, known):
        """The kernel on each of all rows, of which some are known; -1 where there is none."""
        found = self.own_kernels(rows) if known.any() else None
        if found is None:
            return np.full(len(known), -1)
        own = np.full((len(known), *found.shape[1:]), -1)
        own[known] = found
        return own

    def _score_points(self, copies, inside, rows, known, n_draws):
        """Copies beside all cells of rows beside all cells, without the kernels on these."""
        points, log_volume = self._middles(copies)
        origins, _ = self._middles(rows)

        def score(turned, index, _):
            moved = points.copy()
            moved[index] = turned
            return score_inside(self.density, moved, inside, origins, known, n_draws)[index]

        return log_volume + self._log_density_over_turns(points, score)

    def _fills(self):
        """Which columns have cells to average over."""
        return [codec.fills_cells(self.by_cell) for codec in self.codecs]

    def own_kernels(self, rows: np.ndarray) -> np.ndarray | None:
        """The kernel on each row, -1 for none; None where the density leaves none out of scores.

        Of rows that lie in cells it is not known.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows within the support.
        """
        own = own_kernels_of(self.density, self.middles(rows))
        if own is not None:
            own[self._spans(rows).any(1)] = -1
        return own

    def _log_weights(self, rows, rule, n_inner, own):
        """Log density times volume at each new point of each row, shape (n, n_points, k).

        With `n_inner` draws of missing values k is 2: the second is that times its error.
        """
        points, log_volume = self._points(rows, rule)
        n_points = points.shape[1]

        def score(turned, index, is_moved):
            # Kernels stand on points that are not moved.
            left_out = None if own is None else own[index // n_points]
            if own is not None:
                left_out[is_moved] = -1
            return self._inner_scores(turned, n_inner, left_out)

        log_density = self._log_density_over_turns(points.reshape(-1, rows.shape[1]), score)
        return log_volume[..., None] + log_density.reshape(*log_volume.shape, -1)

    def _spans(self, rows):
        """Which values average over a cell."""
        spans = [c.spans_cells(x, self.by_cell) for c, x in zip(self.codecs, rows.T, strict=True)]
        return np.column_stack(spans)

    @cached_property
    def _exact(self):
        """Questions to a density that knows the law of a column given others, or None."""
        return exact_questions_of(self.density)

    def _closed_form(self, rows):
        """Log density of rows of one cell each, and its error, which is none."""
        spans = self._spans(rows) & ~np.isnan(rows)
        column, every = spans.argmax(1), np.arange(len(rows))
        low, high = np.empty(len(rows)), np.empty(len(rows))
        for j in np.unique(column):
            here = column == j
            low[here], high[here] = self.codecs[j].cell_ends(rows[here, j])
        cells = OpenCells(self._exact, column, low, high)
        rows = rows.copy()
        rows[every, column] = np.nan
        points, log_volume = self._points(rows, single_point())

        def score(turned, index, _):
            return cells.log_density(turned, index)

        log_density = self._log_density_over_turns(points[:, 0], score)
        return log_volume[:, 0] + log_density, np.zeros(len(rows))

    def _points(self, rows, rule):
        """New points of a rule in the cells of rows, (n, n_points, d), and log volumes of each.

        The first coordinate is that of the first column in which the row has a cell, and so on.
        """
        places = rule.places[rule.n_known :]
        points = np.empty((len(rows), len(places), rows.shape[1]))
        log_volume = np.zeros(points.shape[:2])
        missing = np.isnan(rows)
        cells = self._spans(rows) & ~missing
        for alike in _groups(np.hstack([cells, missing])):
            columns, part = np.flatnonzero(cells[alike[0]]), rows[alike]
            alone = rule.order > 0 and all(self.codecs[j].ends_are_rare for j in columns)
            shares, log_weights = from_middles(places) if alone else (places, np.zeros((1, 1)))
            ranks, log_volume[alike] = self._ranks(part, columns, shares)
            log_volume[alike] += log_weights.sum(1)
            for j, codec in enumerate(self.codecs):
                u = ranks[..., columns.searchsorted(j)] if j in columns else None
                if u is not None and codec.ends_are_rare:
                    u, log_weights = toward_middles(u, alone)
                    log_volume[alike] += log_weights
                points[alike, :, j], of_column = codec.points(part[:, j], u)
                log_volume[alike] += of_column
        return points, log_volume

    def _ranks(self, rows, columns, u):
        """Ranks of points among training rows, where all rows have cells in the same columns."""
        if columns.size and self.copula is not None:
            return self.copula.places(opened_rows(rows, self.codecs), columns, u)
        even = np.broadcast_to(u[:, : len(columns)], (len(rows), len(u), len(columns)))
        return even, np.zeros(even.shape[:2])

    def middles(self, rows: np.ndarray) -> np.ndarray:
        """Encoded points at the middles of the cells of rows.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows.
        """
        return self._middles(rows)[0]

    def _middles(self, rows):
        """The middle of the cell of each row, and the log volume that it stands for."""
        encoded = [codec.points(x, None) for codec, x in zip(self.codecs, rows.T, strict=True)]
        points, log_volumes = (np.concatenate(part, 1) for part in zip(*encoded, strict=True))
        return points, log_volumes.sum(1)

    def _inner_scores(self, points, n_inner, own):
        """Log density of points, and its log plus that of its error where there may be one."""
        # Its own, where it has one.
        has_own = hasattr(self.density, "score_marginal")
        # All that a row may get are only drawn where fewer have a large error.
        asked = None if n_inner == N_DRAWS else n_inner
        if own is not None:
            log_density, error = self.questions.log_density(points, asked, own)
        elif n_inner is not None and has_own:
            score = self.density.score_marginal
            log_density, error = score(points) if asked is None else score(points, asked)
        elif n_inner is not None:
            log_density, error = self.questions.log_density(points, asked)
        elif self._answers(points):
            return self.questions.log_density(points, 2)[0][:, None]
        elif has_own or not tells_error(self.density):
            return log_density_of(self.density, points)[:, None]
        else:
            log_density, error = estimates_of(self.density, points)
        with np.errstate(divide="ignore"):
            return np.column_stack([log_density, log_density + np.log(error)])

    @cached_property
    def questions(self) -> Questions:
        """Questions to the density."""
        return questions_of(self.density)

    def _answers(self, rows):
        """Whether incomplete rows are integrated here, and not by the density's own scores."""
        own = takes_missing(self.density) and not hasattr(self.density, "score_marginal")
        return np.isnan(rows).any() and not own

    def _integrates_by_draws(self, rows):
        """Whether draws integrate over what is missing, so that they have an error."""
        if not self._answers(rows):
            return False
        asked = hasattr(self.density, "_questions") or not hasattr(self.density, "score_marginal")
        return not (asked and self.questions.is_exact)

    def points_of_known(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encoded points that stand for what is known of rows, and the log volume of each.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows within the support, NaN where values are open, the same in all rows.

        Returns
        -------
        points : ndarray of shape (n, n_points, d)
            Points in the cells of what is known, in every turn of known angles.
        log_volume : ndarray of shape (n, n_points)
            Logs of their weights, but for the density there.
        """
        known = ~np.isnan(rows).all(0)
        n_cells = int((self._fills() & known).sum())
        rule = few_points(n_cells, self.n_draws if self.questions.is_exact else _FEW_POINTS)
        points, log_volume = self._points(rows, rule)
        turns = np.array(list(itertools.product(*(codec.shifts for codec in self.codecs))))
        turns = turns[(turns[:, ~known] == 0).all(1)]
        points = (points[:, :, None] + turns).reshape(len(rows), -1, rows.shape[1])
        return points, np.repeat(log_volume + rule.log_weights, len(turns), axis=1)

    def points_given(self, rows: np.ndarray, n_inner: int) -> tuple[np.ndarray, np.ndarray]:
        """Encoded points that stand for what is known of rows, and the weight of each.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows within the support, NaN where values are open, the same in all rows.
        n_inner : int
            Draws of the missing values for each point, where they are needed.

        Returns
        -------
        points : ndarray of shape (n, n_points, d)
            As `points_of_known` gives them.
        shares : ndarray of shape (n, n_points)
            Weights that sum to one.
        """
        points, log_weights = self.points_of_known(rows)
        if points.shape[1] == 1:
            return points, np.ones((len(rows), 1))
        flat = points.reshape(-1, rows.shape[1])
        log_weights = log_weights + self.questions.log_density(flat, n_inner)[0].reshape(
            log_weights.shape
        )
        return points, shares(log_weights)

    def _log_density_over_turns(self, points, score):
        """Log of the inner density of points, summed over turns of circular columns.

        ``score(turned, index, is_moved)`` gives it for the points at an index, after they were
        turned, if they are moved.
        """
        everything, total = np.arange(len(points)), None
        for shift in itertools.product(*(codec.shifts for codec in self.codecs)):
            if total is None:
                total = score(points, everything, False)
                continue
            # A missing angle has been summed over already.
            new = np.flatnonzero(~np.isnan(points[:, np.flatnonzero(shift)]).any(1))
            if new.size:
                turned = score(points[new] + np.array(shift), new, True)
                total[new] = np.logaddexp(total[new], turned)
        return total


def _different(rows):
    """Indices of different rows, and which of these each row is."""
    # Sorting one column is much faster than sorting rows.
    if any(len(np.unique(x)) == len(x) for x in rows.T):
        return slice(None), slice(None)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, inverse.reshape(-1)


def _groups(patterns):
    """Indices of rows with the same pattern, for each of them."""
    if (patterns == patterns[:1]).all():
        return [np.arange(len(patterns))] if len(patterns) else []
    _, pattern = np.unique(patterns, axis=0, return_inverse=True)
    order = np.argsort(pattern.reshape(-1), kind="stable")
    return np.split(order, np.bincount(pattern.reshape(-1)).cumsum()[:-1])

"""Draws of what is missing from rows, from several mixtures at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.quasirandom import SobolEngine

from ..modules import Evaluator
from ._conditionals import Mixture, log_sum
from ._linearised import gaussians_of, linearised

# Shares of the draws that come from the wider mixture, and from that of the flow made linear.
_WIDE_ALONE, _WIDE, _LINEAR = 0.5, 0.25, 0.25
# Uniform numbers keep this distance from 0 and 1.
_EDGE = 1e-12
# Values that are held for some rows at once.
_MAX_VALUES = 2**22


@dataclass(frozen=True)
class Draws:
    """Draws of what is missing from n rows, m values each.

    Parameters
    ----------
    rows : ndarray of int of shape (n,)
        Which rows.
    columns : ndarray of int of shape (n, m)
        Which columns.
    values : ndarray of shape (n, n_draws, m)
        The draws.
    log_parts : ndarray of shape (n_parts, n, n_draws)
        Their log densities under each of the mixtures that they come from; the first is that of
        the rows.
    log_drawn : ndarray of shape (n, n_draws)
        Under that from which they were drawn.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    log_parts: np.ndarray
    log_drawn: np.ndarray

    def complete(self, Z: np.ndarray) -> np.ndarray:
        """Rows with each draw of what is missing, (n * n_draws, d)."""
        full = np.repeat(Z[self.rows][:, None], self.values.shape[1], 1)
        columns = np.broadcast_to(self.columns[:, None], self.values.shape)
        np.put_along_axis(full, columns, self.values, 2)
        return full.reshape(-1, Z.shape[1])


class Proposals:
    """Where draws of what is missing from rows come from.

    Some come from a mixture, some from one that is wider, so that nothing is missed, and, where a
    density is a flow onto a mixture of Gaussians, some from that of the flow made linear.

    Parameters
    ----------
    mixture : Mixture
        Where draws come from.
    Z : ndarray of shape (n, d)
        Rows, NaN where values are missing.
    seed : int
        Seed of the draws, which are evenly spread.
    shift : ndarray of shape (n, d + 2), default=None
        Uniform numbers that tell the draws of the rows apart; without them, rows with the same
        holes have draws from the same uniform numbers.
    evaluator : Evaluator, default=None
        The density that is drawn for.

    Attributes
    ----------
    is_linearised : bool
        Whether some draws come from the flow made linear.
    """

    def __init__(
        self,
        mixture: Mixture,
        Z: np.ndarray,
        seed: int,
        shift: np.ndarray | None = None,
        evaluator: Evaluator | None = None,
    ):
        self._engine = SobolEngine(Z.shape[1] + 2, scramble=True, seed=seed)
        self._shift = shift
        self._n_rows = len(Z)
        self._groups = [group for group in mixture.given(Z) if group[1].columns.shape[1]]
        better = None
        if evaluator is not None and self._groups:
            better = linearised(evaluator, Z, self._groups)
        self.is_linearised = better is not None
        self._better = better or [None] * len(self._groups)

    def draw(self, n_draws: int, which: np.ndarray | None = None) -> list[Draws]:
        """The next draws of rows that miss values, those with equally many holes together.

        Parameters
        ----------
        n_draws : int
            Number of draws for each row.
        which : ndarray of int, default=None
            Indices of rows in order; None for all.
        """
        uniform = self._engine.draw(n_draws, dtype=torch.float64).numpy()
        wanted = np.full(self._n_rows, which is None)
        wanted[[] if which is None else which] = True
        found = []
        for (rows, conditional), better in zip(self._groups, self._better, strict=True):
            kept = wanted[rows]
            if not kept.any():
                continue
            if not kept.all():
                conditional = conditional.of_rows(kept)
                better = None if better is None else better.of_rows(kept)
            found.append(self._drawn(uniform, rows[kept], conditional, better))
        return found

    def _drawn(self, uniform, rows, conditional, better):
        columns, n_draws = conditional.columns, len(uniform)
        used = np.concatenate((np.broadcast_to([0, 1], (len(rows), 2)), columns + 2), 1)
        points = uniform[:, used].swapaxes(0, 1)
        if self._shift is not None:
            points = (points + self._shift[rows[:, None], used][:, None]) % 1
        points = points.clip(_EDGE, 1 - _EDGE)
        # Without any wide draw, nothing tells what is missed.
        n_wide = max(1, int(n_draws * (_WIDE_ALONE if better is None else _WIDE)))
        n_linear = 0 if better is None else int(n_draws * _LINEAR)
        own, wide, linear = np.split(points, [n_draws - n_wide - n_linear, n_draws - n_linear], 1)
        values = [conditional.draw(own, wide=False), conditional.draw(wide, wide=True)]
        if better is not None:
            values.append(better.draw(linear, wide=False))
        values = np.concatenate(values, 1)
        log_parts = conditional.log_densities(values)
        if better is not None:
            log_parts += better.log_densities(values, wide=False)
        log_parts = np.stack(log_parts)
        counts = np.array([own.shape[1], n_wide, n_linear][: len(log_parts)])
        with np.errstate(divide="ignore"):
            log_shares = np.log(counts / n_draws)[:, None, None]
        # Far off, where squares overflow, draws have no densities.
        with np.errstate(invalid="ignore"):
            log_drawn = log_sum(log_parts + log_shares)
        return Draws(rows, columns, values, log_parts, log_drawn)


def proposals(
    mixture: Mixture,
    Z: np.ndarray,
    n_draws: int,
    seed: int,
    shift: np.ndarray | None = None,
    evaluator: Evaluator | None = None,
) -> Iterator[tuple[slice, Proposals]]:
    """Blocks of rows, and where their draws come from.

    Parameters
    ----------
    mixture, Z, seed, shift, evaluator : object
        As `Proposals` takes them.
    n_draws : int
        Draws that are going to be held for each row.

    Yields
    ------
    tuple of slice and Proposals
        Some of the rows.
    """
    k, d = mixture.means.shape
    gaussians = None if evaluator is None else gaussians_of(evaluator.module)
    k += 0 if gaussians is None else len(gaussians[1])
    m = int(np.isnan(Z).sum(1).max(initial=0))
    size = max(1, _MAX_VALUES // (k * max(m * m, d) + n_draws * (d + k)))
    for i in range(0, len(Z), size):
        part = slice(i, i + size)
        of_part = None if shift is None else shift[part]
        yield part, Proposals(mixture, Z[part], seed, of_part, evaluator)


def log_weights(
    evaluator: Evaluator, Z: np.ndarray, draws: list[Draws], without: np.ndarray | None = None
) -> list[np.ndarray]:
    """Log density of rows with draws of what is missing, over that of the draws.

    Parameters
    ----------
    evaluator : Evaluator
        The density.
    Z : ndarray of shape (n, d)
        Rows, NaN where values are missing.
    draws : list of Draws
        Draws for some of them.
    without : ndarray of int of shape (n,), default=None
        A kernel that each row is scored without.

    Returns
    -------
    list of ndarray of shape (n_rows, n_draws)
        Nats, for each of the draws.
    """
    if not draws:
        return []
    rows = np.concatenate([part.complete(Z) for part in draws])
    each = None
    if without is not None:
        each = np.concatenate([np.repeat(without[p.rows], p.values.shape[1]) for p in draws])
    found = evaluator.log_prob(rows, each)
    ends = np.cumsum([part.log_drawn.size for part in draws])[:-1]
    return [
        target.reshape(part.log_drawn.shape) - part.log_drawn
        for part, target in zip(draws, np.split(found, ends), strict=True)
    ]

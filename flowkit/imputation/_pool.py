"""Draws of densities and of trees in one pool, in shares that fill hidden values best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..conditions import N_CANDIDATES, questions_of
from ..validation import container_of, middle_of, row_blocks
from ._chained_trees import ChainedTrees, moments

# Share of what is known that the first density and trees do not see, and the fewest such values
# that say whose draws are better.
_HIDDEN, _FEWEST_HIDDEN = 0.1, 20
# More columns make forests of each slow and large.
_MAX_FEATURES = 64
# Draws by which hidden values are filled, and standard deviations from the mean that count at most.
_N_DRAWS, _FARTHEST = 50, 3.0
# Hidden values as if from which a share of one half is the best.
_PRIOR_VALUES = 100
# Rows with hidden values that are filled, and values that are drawn at once.
_MAX_HIDDEN_ROWS, _MAX_VALUES = 2_000, 2**22


@dataclass(frozen=True)
class Pool:
    """What draws of missing numbers come from.

    Parameters
    ----------
    densities : list of estimators
        Fitted; each gives as many draws.
    trees : ChainedTrees or None, default=None
        Trees of the same columns.
    share : float, default=0.0
        Share of the draws that come from trees.
    """

    densities: list[Any]
    trees: ChainedTrees | None = None
    share: float = 0.0

    def draws(self, rows, n_draws: int, rng: np.random.RandomState) -> np.ndarray:
        """Draws of what is missing.

        Parameters
        ----------
        rows : ndarray or DataFrame of shape (n, d)
            Rows in float64, NaN where values are missing, as the densities take them.
        n_draws : int
            Number of copies.
        rng : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (n_draws, n, d)
            Copies of the rows. Each copy of a row is of one density, or of trees.
        """
        copies = self._of_densities(rows, n_draws, rng)
        if not self.share:
            return copies
        # Of each row as many as the share says, in random places.
        place = rng.uniform(size=copies.shape[:2]).argsort(0)
        of_trees = place + rng.uniform(size=copies.shape[1]) < self._shares(rows) * n_draws
        drawn = self.trees.draws(np.asarray(rows), n_draws, rng)
        return np.where(of_trees[..., None], drawn, copies)

    def means(self, rows, n_draws: int, rng: np.random.RandomState) -> np.ndarray:
        """Means of what is missing, of shape (n, d): those of `draws`, with less noise."""
        mean = middle_of(self._of_densities(rows, n_draws, rng), "mean")
        if not self.share:
            return mean
        of_trees = middle_of(self.trees.draws(np.asarray(rows), n_draws, rng), "mean")
        share = self._shares(rows)[:, None]
        return (1 - share) * mean + share * of_trees

    def _shares(self, rows):
        """Share of trees in each row: none where nothing is known, as they start from the means."""
        return np.where(np.isnan(np.asarray(rows)).all(1), 0.0, self.share)

    def _of_densities(self, rows, n_draws, rng):
        k = len(self.densities)
        # A rest goes to densities drawn at random.
        counts = np.bincount(rng.permutation(k)[np.arange(n_draws) % k], minlength=k)
        pairs = zip(self.densities, counts, strict=True)
        parts = [_draws(density, rows, n, rng) for density, n in pairs if n]
        copies = np.concatenate(parts)
        return copies if k == 1 else copies[rng.permutation(n_draws)]


def incomplete_parts(rows, n_draws: int) -> Iterator[tuple[np.ndarray, Any]]:
    """Rows with holes, as many at once as there is memory for draws of.

    Parameters
    ----------
    rows : ndarray or DataFrame of shape (n, d)
        Rows in float64, NaN where values are missing, as the densities take them.
    n_draws : int
        Draws of each row.

    Yields
    ------
    part : ndarray of int
        Positions of some of the rows with holes.
    some : ndarray or DataFrame
        These rows.
    """
    container, X = container_of(rows), np.asarray(rows, dtype=np.float64)
    index = np.flatnonzero(np.isnan(X).any(1))
    for block in row_blocks(len(index), max(1, _MAX_VALUES // (n_draws * X.shape[1]))):
        part = index[block]
        yield part, container.like(X[part])


def _draws(density, rows, n_draws, rng):
    if hasattr(density, "impute"):
        return density.impute(rows, n_draws, rng)
    rows = np.asarray(rows)
    return questions_of(density).draws(rows, n_draws, rng, N_CANDIDATES)[0].swapaxes(0, 1)


def fitted_pool(first, second, rows, rng: np.random.RandomState) -> Pool:
    """Densities and trees of incomplete rows.

    A tenth of the known values is hidden from the first density, and from trees: how well both fill
    it says which share of the draws trees get. Then trees are grown again, on all that is known,
    and the second density is fitted to rows that the pool completes.

    Parameters
    ----------
    first, second : estimator
        Densities to be fitted.
    rows : ndarray or DataFrame of shape (n, d)
        Rows in float64, NaN where values are missing, as the densities take them.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    Pool
        Without trees, of the first density alone, where columns are one or many, or rows few.
    """
    container, X = container_of(rows), np.asarray(rows)
    hidden = _hidden(X, rng)
    if hidden.sum() < _FEWEST_HIDDEN:
        return Pool([first.fit(rows)])
    fewer = np.where(hidden, np.nan, X)
    first.fit(container.like(fewer))
    share = _share(first, ChainedTrees.fitted(fewer, rng), container, fewer, X, hidden, rng)
    pool = Pool([first], ChainedTrees.fitted(X, rng), share)
    completed = X.copy()
    for part, some in incomplete_parts(rows, 1):
        completed[part] = pool.draws(some, 1, rng)[0]
    return Pool([first, second.fit(container.like(completed))], pool.trees, share)


def _hidden(X, rng):
    """Which known values to hide: not all of a row, and no extremes of a column."""
    known = ~np.isnan(X)
    if not 1 < X.shape[1] <= _MAX_FEATURES or not known.any(0).all():
        return np.zeros(X.shape, dtype=bool)
    hidden = known & (rng.uniform(size=X.shape) < _HIDDEN)
    columns = np.arange(X.shape[1])
    for extreme in (np.nanargmin, np.nanargmax):
        hidden[extreme(X, 0), columns] = False
    hidden[(hidden == known).all(1)] = False
    return hidden


def _share(density, trees, container, fewer, X, hidden, rng):
    """Share of trees of the least squared error of hidden values, in standard deviations."""
    part = np.flatnonzero(hidden.any(1))
    if len(part) > _MAX_HIDDEN_ROWS:
        part = rng.permutation(part)[:_MAX_HIDDEN_ROWS]
    where, columns = np.nonzero(hidden[part])
    location, scale = (moment[columns] for moment in moments(X))

    def standardised(values):
        with np.errstate(over="ignore"):
            scaled = (values[where, columns] - location) / scale
        return scaled.clip(-_FARTHEST, _FARTHEST)

    def filled(means):
        values = fewer[part]
        for some, rows in incomplete_parts(container.like(values), _N_DRAWS):
            values[some] = means(rows)
        return standardised(values)

    by_density = filled(lambda rows: Pool([density]).means(rows, _N_DRAWS, rng))
    by_trees = filled(lambda rows: middle_of(trees.draws(np.asarray(rows), _N_DRAWS, rng), "mean"))
    away = by_trees - by_density
    square = (away**2).sum()
    if not square > 0:
        return 0.5
    best = (away * (standardised(X[part]) - by_density)).sum() / square
    n = len(columns)
    return float((n * np.clip(best, 0, 1) + 0.5 * _PRIOR_VALUES) / (n + _PRIOR_VALUES))

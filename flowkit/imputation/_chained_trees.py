"""Trees that predict each column from the others, in turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._forest import Forest

# Times that all columns are predicted, and rows that trees are grown on: more make copies of the
# imputer large, and change little.
_N_ROUNDS, _MAX_ROWS = 2, 1_000
# Standardised features lie within, so that float32 holds them.
_FARTHEST = 1e30


@dataclass(frozen=True)
class ChainedTrees:
    """Forests, one for each column given the others.

    Parameters
    ----------
    location, scale : ndarray of shape (d,)
        Mean and standard deviation of what is known of each column.
    order : ndarray of int of shape (d,)
        Columns by how many values they missed.
    forests : list of Forest
        A forest for each column.

    References
    ----------
    Doove, van Buuren, Dusseldorp, "Recursive partitioning for missing data imputation in the
    presence of interaction effects", Computational Statistics and Data Analysis 72 (2014).
    """

    location: np.ndarray
    scale: np.ndarray
    order: np.ndarray
    forests: list[Forest]

    @classmethod
    def fitted(cls, rows: np.ndarray, rng: np.random.RandomState) -> ChainedTrees:
        """Trees of incomplete rows: each forest is grown on rows as the ones before complete them.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows of two columns or more, NaN where values are missing.
        rng : RandomState
            Source of randomness.

        Returns
        -------
        ChainedTrees
            The trees.
        """
        if len(rows) > _MAX_ROWS:
            rows = _drawn(rows, rng)
        missing = np.isnan(rows)
        order = np.argsort(missing.sum(0), kind="stable")
        trees = cls(*moments(rows), order, [None] * rows.shape[1])
        filled = np.where(missing, trees.location, rows)
        for _ in range(_N_ROUNDS):
            for j in order:
                known, features = ~missing[:, j], trees._features(filled, j)
                seed = rng.randint(2**31 - 1)
                forest = Forest.grown(features[known], rows[known, j], trees.scale[j], seed)
                trees.forests[j] = forest
                if not known.all():
                    filled[~known, j] = forest.mean(features[~known])
        return trees

    def draws(self, rows: np.ndarray, n_draws: int, rng: np.random.RandomState) -> np.ndarray:
        """Copies of rows, filled by single trees from what the means of all trees predict.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows, NaN where values are missing.
        n_draws : int
            Number of copies.
        rng : RandomState
            Source of randomness.

        Returns
        -------
        ndarray of shape (n_draws, n, d)
            The copies; what is filled in are values that the columns had in training.
        """
        missing = np.isnan(rows)
        filled = np.where(missing, self.location, rows)
        for _ in range(_N_ROUNDS):
            for j, where in self._holes(missing):
                filled[where, j] = self.forests[j].mean(self._features(filled[where], j))
        copies = np.repeat(filled[None], n_draws, 0)
        for j, where in self._holes(missing):
            n_trees = len(self.forests[j].roots)
            features = self._features(copies[:, where].reshape(-1, rows.shape[1]), j)
            shift = rng.randint(n_trees, size=len(where))
            tree = (np.arange(n_draws)[:, None] + shift) % n_trees
            drawn = self.forests[j].predict(features, np.arange(len(features)), tree.ravel())
            copies[:, where, j] = drawn.reshape(n_draws, -1)
        return copies

    def _holes(self, missing):
        return [(j, np.flatnonzero(missing[:, j])) for j in self.order if missing[:, j].any()]

    def _features(self, rows, j):
        """The other columns, standardised."""
        with np.errstate(over="ignore"):
            scaled = (rows - self.location) / self.scale
        scaled = scaled.clip(-_FARTHEST, _FARTHEST)
        return np.delete(scaled, j, axis=1).astype(np.float32)


def moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of what is known of columns, also where squares overflow.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows, NaN where values are missing; something is known of each column.

    Returns
    -------
    location, scale : ndarray of shape (d,)
        The scale is one where a column does not vary.
    """
    size = np.nanmax(np.abs(rows), 0)
    size = np.where(size > 0, size, 1.0)
    inside = rows / size
    scale = np.nanstd(inside, 0) * size
    return np.nanmean(inside, 0) * size, np.where(scale > 0, scale, 1.0)


def _drawn(rows, rng):
    """Rows drawn at random, and something known of each column among them."""
    chosen = rng.permutation(len(rows))[:_MAX_ROWS]
    first = np.argmax(~np.isnan(rows), 0)
    return rows[np.union1d(chosen, first)]

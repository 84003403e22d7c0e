"""Extremely randomised regression trees as plain arrays, of which files may hold copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from ..validation import row_blocks

# Features that a node chooses from.
_N_TREES, _SHARE_OF_FEATURES = 50, 0.7
# Values of single trees that a mean holds at once.
_MAX_VALUES = 2**18


@dataclass(frozen=True)
class Forest:
    """Regression trees, the nodes of all of them one after another.

    Parameters
    ----------
    roots : ndarray of int of shape (n_trees,)
        First node of each tree.
    features : ndarray of int of shape (n_nodes,)
        Feature that a node splits by.
    thresholds : ndarray of shape (n_nodes,)
        Where: values up to it go to the left.
    children : ndarray of int of shape (2, n_nodes)
        Nodes to the left and to the right; a leaf is its own child.
    values : ndarray of shape (n_nodes,)
        Value of each leaf: one that the target had in training.
    depth : int
        Steps from a root to the farthest leaf.

    References
    ----------
    Geurts, Ernst, Wehenkel, "Extremely randomized trees", Machine Learning 63 (2006).
    """

    roots: np.ndarray
    features: np.ndarray
    thresholds: np.ndarray
    children: np.ndarray
    values: np.ndarray
    depth: int

    @classmethod
    def grown(cls, X: np.ndarray, y: np.ndarray, scale: float, seed: int) -> Forest:
        """Trees, each grown on a resample of the rows until its leaves are pure.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Features of unit scale.
        y : ndarray of shape (n,)
            Values to be predicted.
        scale : float
            Their scale.
        seed : int
            Seed of the trees.

        Returns
        -------
        Forest
            The trees.
        """
        known = np.unique(y)
        model = _regressor(seed).fit(X, y / scale)
        trees = [tree.tree_ for tree in model.estimators_]
        sizes = np.array([tree.node_count for tree in trees])
        roots = np.concatenate([[0], sizes.cumsum()[:-1]])
        own = np.arange(sizes.sum())

        def joined(name):
            return np.concatenate([getattr(tree, name) for tree in trees])

        first = np.repeat(roots, sizes)
        sides = np.stack([joined("children_left"), joined("children_right")])
        leaf = sides[0] < 0
        middles = known[:-1] + np.diff(known) / 2
        means = np.concatenate([tree.value[:, 0, 0] for tree in trees]) * scale
        return cls(
            roots,
            np.where(leaf, 0, joined("feature")),
            joined("threshold"),
            np.where(leaf, own, sides + first),
            known[np.searchsorted(middles, means)],
            max(tree.max_depth for tree in trees),
        )

    def predict(self, X: np.ndarray, rows: np.ndarray, trees: np.ndarray) -> np.ndarray:
        """Values that single trees give to rows.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, d)
            Features.
        rows, trees : ndarray of int of shape (n_values,)
            Which row, and the tree that is asked about it.

        Returns
        -------
        ndarray of shape (n_values,)
            The values.
        """
        node = self.roots[trees]
        for _ in range(self.depth):
            right = X[rows, self.features[node]] > self.thresholds[node]
            node = self.children[right.astype(np.intp), node]
        return self.values[node]

    def mean(self, X: np.ndarray) -> np.ndarray:
        """Mean of all trees.

        Parameters
        ----------
        X : ndarray of float32 of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n,)
            The means.
        """
        k, means = len(self.roots), np.empty(len(X))
        for block in row_blocks(len(X), max(1, _MAX_VALUES // k)):
            n = block.stop - block.start
            rows, trees = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
            values = self.predict(X[block], rows, trees).reshape(n, k)
            # Divided first, so that the sum cannot overflow.
            means[block] = (values / k).sum(1)
        return means


def _regressor(seed):
    # Resamples let trees differ also where every one would find the same neighbour of a row.
    return ExtraTreesRegressor(
        _N_TREES, max_features=_SHARE_OF_FEATURES, bootstrap=True, random_state=seed
    )

"""Fitted regressions as plain arrays, which files may hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.tree import BaseDecisionTree

from ..validation import row_blocks


@dataclass(frozen=True)
class Linear:
    """An affine function.

    Parameters
    ----------
    matrix : ndarray of shape (n_features, n_targets)
        Slopes.
    bias : ndarray of shape (n_targets,)
        Values at the origin.
    """

    matrix: np.ndarray
    bias: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Targets of each row, shape (n, n_targets)."""
        # Sums row by row, so that no row depends on those beside it.
        return np.einsum("ij,jk->ik", X, self.matrix) + self.bias


@dataclass(frozen=True)
class TreeSum:
    """A sum of regression trees, whose nodes stand one after the other; leaves lead to themselves.

    Parameters
    ----------
    bias : ndarray of shape (n_targets,)
        What the trees add to.
    roots : ndarray of int of shape (n_trees,)
        First node of each tree.
    children : ndarray of int of shape (n_nodes, 2)
        Nodes below each node: where its feature is at most the threshold, and where it is above.
    feature : ndarray of int of shape (n_nodes,)
        Which feature a node asks for.
    threshold : ndarray of shape (n_nodes,)
        What it is compared with, in single precision as scikit-learn does.
    value : ndarray of shape (n_nodes, n_targets)
        What a tree adds where a row ends.
    depth : int
        Steps from any root to any leaf, at most.
    """

    bias: np.ndarray
    roots: np.ndarray
    children: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    depth: int

    @classmethod
    def of(
        cls, trees: Sequence[BaseDecisionTree], factor: float, bias: np.ndarray, target: slice
    ) -> TreeSum:
        """The sum of fitted trees of scikit-learn.

        Parameters
        ----------
        trees : sequence of DecisionTreeRegressor
            The trees.
        factor : float
            What each is multiplied by.
        bias : ndarray of shape (n_targets,)
            What they add to.
        target : slice
            Which of the targets they predict.
        """
        grown = [tree.tree_ for tree in trees]
        roots = np.cumsum([0, *(tree.node_count for tree in grown)])[:-1]
        left, right, value = [], [], []
        for tree, root in zip(grown, roots, strict=True):
            own = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            left.append(root + np.where(leaf, own, tree.children_left))
            right.append(root + np.where(leaf, own, tree.children_right))
            value.append(np.zeros((tree.node_count, len(bias))))
            value[-1][:, target] = factor * tree.value[:, :, 0]
        return cls(
            bias,
            roots,
            np.stack([np.concatenate(left), np.concatenate(right)], 1),
            np.concatenate([np.maximum(tree.feature, 0) for tree in grown]),
            np.concatenate([tree.threshold for tree in grown]),
            np.concatenate(value),
            max(tree.max_depth for tree in grown),
        )

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Targets of each row, shape (n, n_targets)."""
        with np.errstate(over="ignore"):
            X = X.astype(np.float32)
        return np.concatenate([self._predict(X[block]) for block in row_blocks(len(X), 256)])

    def _predict(self, X):
        rows, node = np.arange(len(X))[:, None], np.tile(self.roots, (len(X), 1))
        for _ in range(min(self.depth, len(self.feature))):
            above = X[rows, self.feature[node]] > self.threshold[node]
            node = self.children[node, above.astype(np.intp)]
        return self.bias + self.value[node].sum(1)


@dataclass(frozen=True)
class Mean:
    """The mean of regressions.

    Parameters
    ----------
    members : tuple
        Each with ``predict``.
    """

    members: tuple

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Targets of each row, shape (n, n_targets)."""
        return sum(member.predict(X) for member in self.members) / len(self.members)


@dataclass(frozen=True)
class Blend:
    """A weighted sum of regressions, with weights of its own for each target.

    Parameters
    ----------
    members : tuple
        Each with ``predict``.
    weights : ndarray of shape (n_members, n_targets)
        The weights.
    """

    members: tuple
    weights: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Targets of each row, shape (n, n_targets)."""
        pairs = zip(self.members, self.weights, strict=True)
        return sum(weight * member.predict(X) for member, weight in pairs if weight.any())

"""Trees of scikit-learn as one node of a graph."""

from __future__ import annotations

import numpy as np

from ._graph import Value

# Bits of a number of single precision.
_N_BITS = 24


def mean_leaf_values(trees, x: Value) -> Value:
    """Mean over trees of the share of the second class in the leaves of rows.

    Parameters
    ----------
    trees : list of DecisionTreeClassifier
        Fitted trees of two classes.
    x : Value of shape (n, d)
        Rows of float64.

    Returns
    -------
    Value of shape (n, 1)
        The means.
    """
    parts = [tree.tree_ for tree in trees]
    sizes = [part.node_count for part in parts]
    left, right, feature, threshold = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    value = np.concatenate([part.value[:, 0, 1] for part in parts])
    tree = np.repeat(np.arange(len(sizes)), sizes)
    node = np.concatenate(list(map(np.arange, sizes)))
    is_leaf = left < 0
    # Sums come in single precision: of the first digits they are exact, and the others are small.
    scale = 2.0 ** (_N_BITS - len(sizes).bit_length())
    first = np.round(value[is_leaf] * scale) / scale
    rest = value[is_leaf] - first
    tensor = x.graph.tensor
    sums = x.graph.add(
        "TreeEnsembleRegressor",
        x,
        domain="ai.onnx.ml",
        n_targets=2,
        nodes_treeids=tree.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.where(is_leaf, 0, feature).tolist(),
        nodes_values_as_tensor=tensor(np.where(is_leaf, 0.0, threshold)),
        nodes_modes=np.where(is_leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_truenodeids=np.where(is_leaf, 0, left).tolist(),
        nodes_falsenodeids=np.where(is_leaf, 0, right).tolist(),
        target_treeids=np.tile(tree[is_leaf], 2).tolist(),
        target_nodeids=np.tile(node[is_leaf], 2).tolist(),
        target_ids=np.repeat([0, 1], is_leaf.sum()).tolist(),
        target_weights_as_tensor=tensor(np.concatenate([first, rest])),
    )
    return sums.cast("DOUBLE").sum(1, keepdims=True) / float(len(sizes))

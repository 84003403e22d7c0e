"""Search trees and decision trees of scikit-learn in files.

Compiled code walks through these without looking where it goes. So a search tree is grown again
from its rows, which gives the same tree, and a decision tree is checked node by node.
"""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import BallTree, KDTree
from sklearn.tree import _tree

from ._codec import Codec, expect

# Bytes of a node, without its bounds.
_NODE = 40


class _SearchTree(Codec):
    """Trees that find neighbours.

    Parameters
    ----------
    kind : type
        `KDTree` or `BallTree`.
    """

    def __init__(self, kind):
        self.kind, self.tag = kind, kind.__name__
        self.types = (f"{kind.__module__}.{kind.__qualname__}",)

    def encode(self, value, encoder):
        state = value.__getstate__()
        metric, weight = state[11], state[12]
        name, options = _metric(metric)
        rows, leaf_size = np.asarray(value.data), int(state[4])
        encoder.take(_bytes_of(rows, leaf_size))
        return {
            "rows": encoder.value(rows),
            "leaf_size": leaf_size,
            "metric": name,
            "options": encoder.value(options),
            "weight": encoder.value(None if weight is None else np.asarray(weight)),
        }

    def decode(self, fields, decoder):
        rows, leaf_size = decoder.value(fields["rows"]), fields["leaf_size"]
        expect(isinstance(rows, np.ndarray) and rows.ndim == 2, "neighbours without rows")
        expect(type(leaf_size) is int and leaf_size > 0, "neighbours in leaves of no size")
        decoder.take(_bytes_of(rows, leaf_size))
        weight = decoder.value(fields["weight"])
        options = {} if weight is None else {"sample_weight": weight}
        options |= decoder.value(fields["options"])
        return self.kind(rows, leaf_size=leaf_size, metric=fields["metric"], **options)


def _bytes_of(rows, leaf_size):
    """Memory that a search tree takes beside its rows: their order, and nodes with bounds."""
    n_nodes = 2 * max(len(rows) // leaf_size, 1)
    return 8 * len(rows) + n_nodes * (_NODE + 16 * rows.shape[1])


def _metric(metric):
    """Name and options of a distance."""
    name = type(metric).__name__.removesuffix("64").removesuffix("Distance").lower()
    return name, {"p": float(metric.__getstate__()[0])} if name == "minkowski" else {}


class _DecisionTree(Codec):
    """What a fitted decision tree of scikit-learn holds."""

    tag, types = "decision_tree", ("sklearn.tree._tree.Tree",)

    def encode(self, value, encoder):
        _, (n_features, n_classes, n_outputs), state = value.__reduce__()
        nodes = state.pop("nodes")
        columns = {name: np.ascontiguousarray(nodes[name]) for name in nodes.dtype.names}
        return {
            "n_features": int(n_features),
            "n_classes": encoder.value(np.asarray(n_classes)),
            "n_outputs": int(n_outputs),
            "nodes": encoder.value(columns),
            "state": encoder.value(state),
        }

    def decode(self, fields, decoder):
        columns, state = decoder.value(fields["nodes"]), dict(decoder.value(fields["state"]))
        n_features, n_outputs = fields["n_features"], fields["n_outputs"]
        n_classes = np.ascontiguousarray(decoder.value(fields["n_classes"]), dtype=np.intp)
        expect(set(columns) == set(_tree.NODE_DTYPE.names), "nodes of another scikit-learn")
        expect(type(n_outputs) is int and n_classes.shape == (n_outputs,), "a tree of no outputs")
        expect(type(n_features) is int and n_features > 0, "a tree of no columns")
        expect(n_outputs > 0 and n_classes.min() > 0, "a tree of no classes")
        values, n = state["values"], state["node_count"]
        shape = (n, n_outputs, int(n_classes.max()))
        expect(values.dtype == np.float64 and values.shape == shape, "a tree of other values")
        nodes = np.zeros(n, _tree.NODE_DTYPE)
        for name, column in columns.items():
            expect(column.dtype == nodes.dtype[name], f"nodes whose {name} is {column.dtype}")
            nodes[name] = column
        _check_nodes(nodes, n_features)
        tree = _tree.Tree(n_features, n_classes, n_outputs)
        tree.__setstate__({**state, "nodes": nodes})
        return tree


def _check_nodes(nodes, n_features):
    """Children come after their parents and are there, and so are the columns that are asked."""
    left, right = nodes["left_child"], nodes["right_child"]
    inner = left != _tree.TREE_LEAF
    places = np.flatnonzero(inner)
    for child in (left[inner], right[inner]):
        expect(bool(((child > places) & (child < len(nodes))).all()), "a tree that is none")
    feature = nodes["feature"][inner]
    expect(bool(((feature >= 0) & (feature < n_features)).all()), "a tree of other columns")
    expect(bool((nodes["missing_go_to_left"] <= 1).all()), "a tree that is none")


CODECS = (_SearchTree(KDTree), _SearchTree(BallTree), _DecisionTree())

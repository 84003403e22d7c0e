"""Nodes at which the log-determinant of a bijection arises, of one map and of a stack of maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Kinds of the nodes of maps that have no tree.
MIXING, LEAF = "mixing", "leaf"


@dataclass(frozen=True)
class Node:
    """Where in the tree over columns a share of the log-determinant arises.

    Parameters
    ----------
    level : int
        Depth in the tree, 0 for the root.
    kind : str
        What happens there: 'mixing' of columns, 'leaf' for a map of one column, or what a family
        of bijections calls it, such as 'coupling'.
    columns : tuple of int
        Columns that the node covers.
    """

    level: int
    kind: str
    columns: tuple[int, ...]

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        """Kind and columns: leaves of a column are one node, whatever depth a map gives them."""
        return self.kind, self.columns


def mixing_node(n_features: int) -> Node:
    """The node of a map that mixes all columns, at the root."""
    return Node(0, MIXING, tuple(range(n_features)))


def leaf_nodes(n_features: int, level: int = 0) -> tuple[Node, ...]:
    """One node for each column, of maps that treat every column by itself."""
    return tuple(Node(level, LEAF, (j,)) for j in range(n_features))


def stacked_nodes(n_features: int, nodes: Iterable[Sequence[Node]]) -> tuple[Node, ...]:
    """Nodes of maps that follow each other, each node once.

    Parameters
    ----------
    n_features : int
        Number of columns.
    nodes : iterable of sequences of Node
        Nodes of each map.

    Returns
    -------
    tuple of Node
        First that of all that mixes columns, last one leaf for each column, at the depth of the
        deepest node. Both are there whether or not a map has them, so that callers find them.
    """
    distinct = list(dict.fromkeys(node for part in nodes for node in part))
    level = max(node.level for node in distinct)
    inner = [node for node in distinct if node.kind not in (MIXING, LEAF)]
    return (mixing_node(n_features), *inner, *leaf_nodes(n_features, level))

"""The log-determinant of a stack with fractal maps in it, node by node."""

from __future__ import annotations

import torch
from torch import Tensor

from . import Compose
from ._tree import Node


def tree_nodes(bijection: Compose) -> list[Node]:
    """Nodes of the fractal maps, before them one for all that mixes columns, last one a column.

    Parameters
    ----------
    bijection : Compose
        Fractal maps of one tree, and other maps.

    Returns
    -------
    list of Node
        Each once, however many maps have it.
    """
    fractal = next(step for step in bijection.bijections if hasattr(step, "log_det_tree"))
    columns = tuple(range(bijection.n_features))
    leaves = [Node(len(fractal.levels), "leaf", (j,)) for j in columns]
    return list(dict.fromkeys([Node(0, "mixing", columns), *fractal.nodes, *leaves]))


def tree_shares(bijection: Compose, x: Tensor, nodes: list[Node]) -> Tensor:
    """Share of every node in the log-determinant of rows.

    Parameters
    ----------
    bijection : Compose
        As in `tree_nodes`.
    x : Tensor of shape (n, n_features)
        Rows.
    nodes : list of Node
        What `tree_nodes` returned.

    Returns
    -------
    Tensor of shape (n, n_nodes)
        Nats; rows sum to the log-determinant.
    """
    place = {node: i for i, node in enumerate(nodes)}
    shares = x.new_zeros(len(x), len(nodes))
    for step in bijection.bijections:
        if hasattr(step, "log_det_tree"):
            index = torch.tensor([place[node] for node in step.nodes], device=x.device)
            shares.index_add_(1, index, step.log_det_tree(x))
            x = step(x)[0]
        elif step.is_elementwise:
            x, log_slope = step.forward_by_column(x)
            shares[:, -bijection.n_features :] += log_slope
        else:
            x, log_det = step(x)
            shares[:, 0] += log_det
    return shares

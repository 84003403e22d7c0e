"""Bijections made of others: one after the other, or backwards."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .._compiled import applies_to
from ..exceptions import InvalidParameterError
from ._base import Bijection
from ._fused_chain import run
from ._log_det_tree import stacked_nodes


class Compose(Bijection):
    """Bijections applied one after the other, the first one to the data.

    Parameters
    ----------
    bijections : sequence of Bijection
        At least one, all of the same number of features.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import Compose, ElementwiseAffine, Permutation
    >>> flow = Compose([ElementwiseAffine(3), Permutation(3)])
    >>> z, log_det = flow(torch.tensor([[1.0, 2.0, 3.0]]))
    >>> z
    tensor([[3., 2., 1.]], grad_fn=<IndexSelectBackward0>)
    """

    def __init__(self, bijections: Sequence[Bijection]):
        bijections = list(bijections)
        if not bijections:
            raise InvalidParameterError("Compose needs at least one bijection, got none.")
        widths = [b.n_features for b in bijections]
        if len(set(widths)) > 1:
            raise InvalidParameterError(
                f"Compose needs bijections of one number of features, got {widths}."
            )
        contexts = {b.n_context for b in bijections} - {0}
        if len(contexts) > 1:
            raise InvalidParameterError(
                f"Compose needs bijections of one context size, got {sorted(contexts)}."
            )
        super().__init__(widths[0], max(contexts, default=0))
        self.bijections = nn.ModuleList(bijections)

    def fused_steps(self):
        found = [bijection.fused_steps() for bijection in self.bijections]
        return None if None in found else [step for steps in found for step in steps]

    def _forward(self, x, context):
        total, waiting = 0.0, []
        for bijection in self.bijections:
            steps = bijection.fused_steps() if applies_to(x) else None
            if steps is not None:
                waiting += steps
                continue
            if waiting:
                x, log_det = run(waiting, x)
                total, waiting = total + log_det, []
            x, log_det = bijection(x, context)
            total = total + log_det
        if waiting:
            x, log_det = run(waiting, x)
            total = total + log_det
        return x, total

    def _inverse(self, z, context):
        total = 0.0
        for bijection in reversed(self.bijections):
            z, log_det = bijection.inverse(z, context)
            total = total + log_det
        return z, total

    @property
    def is_elementwise(self):
        return all(bijection.is_elementwise for bijection in self.bijections)

    @property
    def nodes(self):
        if self.is_elementwise:
            return super().nodes
        return stacked_nodes(self.n_features, (part.nodes for part in self.bijections))

    def _forward_by_column(self, x, context):
        total = 0.0
        for bijection in self.bijections:
            x, log_slope = bijection.forward_by_column(x, context)
            total = total + log_slope
        return x, total

    def _inverse_by_column(self, z, context):
        total = 0.0
        for bijection in reversed(self.bijections):
            z, log_slope = bijection.inverse_by_column(z, context)
            total = total + log_slope
        return z, total

    def _forward_by_node(self, x, context):
        if self.is_elementwise:
            return self._forward_by_column(x, context)
        position = {node.key: i for i, node in enumerate(self.nodes)}
        shares = x.new_zeros(len(x), len(position))
        for bijection in self.bijections:
            x, own = bijection.forward_by_node(x, context)
            index = torch.tensor([position[node.key] for node in bijection.nodes], device=x.device)
            shares = shares.index_add(1, index, own)
        return x, shares


class Inverse(Bijection):
    """A bijection whose two directions are exchanged.

    Parameters
    ----------
    bijection : Bijection
        The one whose inverse this is.
    """

    def __init__(self, bijection: Bijection):
        super().__init__(bijection.n_features, bijection.n_context)
        self.bijection = bijection

    def _forward(self, x, context):
        return self.bijection.inverse(x, context)

    def _inverse(self, z, context):
        return self.bijection(z, context)

    @property
    def is_elementwise(self):
        return self.bijection.is_elementwise

    def _forward_by_column(self, x, context):
        return self.bijection.inverse_by_column(x, context)

    def _inverse_by_column(self, z, context):
        return self.bijection.forward_by_column(z, context)

"""Residual multilayer perceptrons side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from .layers import Dropout, GroupedLinear
from .mlp import check_hidden
from .residual import residual_net


class GroupedMLP(nn.Module):
    """Several `ResidualMLP` of one shape, evaluated at once by batched matrix products.

    The last layer is initialised at zero, so that what the networks steer begins as the identity.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of input and output of each group; `in_features` may be 0.
    n_groups : int, default=1
        Number of networks.
    hidden_units : int, default=64
        Width of the hidden layers of each group.
    n_hidden_layers : int, default=2
        Number of hidden layers.
    dropout : float, default=0.0
        Share of hidden units dropped in training.
    tied : bool, default=False
        Whether all groups share one set of weights.
    zero : bool, default=True
        Whether the last layer is initialised at zero.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import GroupedMLP
    >>> GroupedMLP(3, 2, n_groups=4)(torch.ones(4, 3, 5)).shape
    torch.Size([4, 2, 5])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_groups: int = 1,
        *,
        hidden_units: int = 64,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        tied: bool = False,
        zero: bool = True,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_sizes(in_features, out_features, n_groups)
        check_hidden(hidden_units, n_hidden_layers)
        shared = {"tied": tied, "generator": generator}
        self.first = GroupedLinear(in_features, hidden_units, n_groups, **shared)
        self.hidden = nn.ModuleList(
            GroupedLinear(hidden_units, hidden_units, n_groups, **shared)
            for _ in range(n_hidden_layers - 1)
        )
        self.last = GroupedLinear(hidden_units, out_features, n_groups, zero=zero, **shared)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n_groups, in_features, n)`` to ``(n_groups, out_features, n)``."""
        return residual_net(x, self.residual_layers, self.dropout)

    by_columns = forward

    @property
    def residual_layers(self) -> list[Tensor]:
        """Weights and biases of a residual network, one after the other."""
        layers = (self.first, *self.hidden, self.last)
        return [tensor for layer in layers for tensor in (layer.weight, layer.bias)]


def check_sizes(in_features: int, out_features: int, n_groups: int) -> None:
    """Refuse networks without an output or a group."""
    for name, value, least in (
        ("in_features", in_features, 0),
        ("out_features", out_features, 1),
        ("n_groups", n_groups, 1),
    ):
        if value < least:
            raise InvalidParameterError(f"{name} must be at least {least}, got {value}.")

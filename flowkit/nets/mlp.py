"""Residual multilayer perceptron."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from .layers import Dropout, Linear
from .residual import residual_net


class ResidualMLP(nn.Module):
    """Pre-activation residual network with one linear map per hidden layer.

    The last layer is initialised at zero, so that what the network steers begins as the identity.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of input and output; `in_features` may be 0.
    hidden_units : int, default=128
        Width of the hidden layers.
    n_hidden_layers : int, default=2
        Number of hidden layers.
    dropout : float, default=0.0
        Share of hidden units dropped in training.
    n_context : int, default=0
        Number of context columns, appended to the input.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import ResidualMLP
    >>> ResidualMLP(3, 2)(torch.ones(1, 3))
    tensor([[0., 0.]], grad_fn=<TBackward0>)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        hidden_units: int = 128,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        n_context: int = 0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_hidden(hidden_units, n_hidden_layers)
        self.first = Linear(in_features + n_context, hidden_units, generator=generator)
        self.hidden = nn.ModuleList(
            Linear(hidden_units, hidden_units, generator=generator)
            for _ in range(n_hidden_layers - 1)
        )
        self.last = Linear(hidden_units, out_features, zero=True)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map ``(n, in_features)``, and ``(n, n_context)`` if any, to ``(n, out_features)``."""
        if context is not None:
            x = torch.cat((x, context), 1)
        return self.by_columns(x.t()).t()

    def by_columns(self, x: Tensor) -> Tensor:
        """Map ``(in_features + n_context, n)``, of one group or none, to ``(out_features, n)``."""
        return residual_net(x.flatten(0, -2), self.residual_layers, self.dropout)

    @property
    def residual_layers(self) -> list[Tensor]:
        """Weights and biases of a residual network, one after the other."""
        layers = (self.first, *self.hidden, self.last)
        return [tensor for layer in layers for tensor in (layer.weight, layer.bias)]


def check_hidden(hidden_units: int, n_hidden_layers: int) -> None:
    """Refuse networks without a hidden unit."""
    if hidden_units < 1:
        raise InvalidParameterError(f"hidden_units must be at least 1, got {hidden_units}.")
    if n_hidden_layers < 1:
        raise InvalidParameterError(f"n_hidden_layers must be at least 1, got {n_hidden_layers}.")

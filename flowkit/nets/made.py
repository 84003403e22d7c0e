"""Masked autoencoder for distribution estimation (MADE) with residual connections."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import Dropout, Linear, activation
from .mlp import check_hidden


class MADE(nn.Module):
    """Residual network whose outputs for feature `i` see only the features before `i`.

    Parameters
    ----------
    n_features : int
        Number of features.
    n_outputs : int
        Outputs per feature; output `p` of feature `i` is column ``p * n_features + i``.
    hidden_units, n_hidden_layers, dropout, n_context, generator
        As for `ResidualMLP`. The context is seen by all outputs.

    References
    ----------
    Germain, Gregor, Murray, Larochelle, "MADE: Masked Autoencoder for Distribution Estimation",
    ICML 2015, arXiv 1502.03509.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import MADE
    >>> MADE(3, 2)(torch.ones(1, 3)).shape
    torch.Size([1, 6])
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        *,
        hidden_units: int = 128,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        n_context: int = 0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_hidden(hidden_units, n_hidden_layers)
        inputs = torch.arange(1, n_features + 1)
        # Units of degree 0 see the context alone, so they are wanted only where there is one.
        lowest = 0 if n_context else 1
        units = lowest + torch.arange(hidden_units) * max(n_features - lowest, 1) // hidden_units
        between = (units[:, None] >= units).float()
        self.first = Linear(
            n_features,
            hidden_units,
            mask=(units[:, None] >= inputs).float(),
            generator=generator,
        )
        self.context = Linear(n_context, hidden_units, generator=generator) if n_context else None
        self.hidden = nn.ModuleList(
            Linear(hidden_units, hidden_units, mask=between, generator=generator)
            for _ in range(n_hidden_layers - 1)
        )
        after = (inputs[:, None] > units).float().repeat(n_outputs, 1)
        self.last = Linear(hidden_units, n_outputs * n_features, mask=after, zero=True)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map ``(n, n_features)``, and ``(n, n_context)`` if any, to
        ``(n, n_outputs * n_features)``."""
        h = self.first(x)
        if self.context is not None:
            h = h + self.context(context)
        for layer in self.hidden:
            h = h + layer(self.dropout(activation(h)))
        return self.last(self.dropout(activation(h)))

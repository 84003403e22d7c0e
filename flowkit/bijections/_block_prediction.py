"""Linear prediction within the blocks of a lattice."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ._blocks import Blocks


class BlockPrediction(nn.Module):
    """Values of a block less their linear prediction from those before them, in units of a scale.

    The values come in an order: first those that the next level has too, which stay as they are,
    then those that leave, each predicted from all before it. Weights, constants and scales are
    buffers, the same for all blocks; until they are set, the map is the identity.

    Parameters
    ----------
    blocks : Blocks
        The blocks.
    leaving : ndarray of bool of shape (n_columns,)
        Columns that the next level does not have.

    Attributes
    ----------
    order : Tensor of int of shape (n_values,)
        Values of a block in their order.
    n_staying : int
        How many of these stay as they are.
    weight : Tensor of shape (n_values, n_values)
        Of the prediction of each value, in that order: strictly lower triangular.
    bias, log_scale : Tensor of shape (n_values,)
        Constant of the prediction, and logarithm of the scale, in that order.
    """

    def __init__(self, blocks: Blocks, leaving: np.ndarray):
        super().__init__()
        leaves = torch.from_numpy(leaving)[blocks.columns]
        if blocks.present is not None:
            leaves |= ~blocks.present[:, :, 0]
        # Where blocks have other parities, none leaves whose place others need.
        leaves = leaves.all(1)
        order = torch.cat(((~leaves).nonzero()[:, 0], leaves.nonzero()[:, 0]))
        self.n_staying = int((~leaves).sum())
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("place", order.argsort(), persistent=False)
        n = len(order)
        self.register_buffer("weight", torch.zeros(n, n))
        self.register_buffer("bias", torch.zeros(n))
        self.register_buffer("log_scale", torch.zeros(n))

    def forward(self, values: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """Residuals and log-slopes, both of the shape (n_values, n_blocks, n)."""
        x = values.index_select(0, self.order)
        predicted = (self.weight @ x.flatten(1)).view_as(x) + self.bias[:, None, None]
        log_slope = -self.log_scale[:, None, None]
        return self._placed((x - predicted) * log_slope.exp(), log_slope, present)

    def inverse(self, values: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """What `forward` maps to these values, and the log-slopes of that direction."""
        log_slope = self.log_scale[:, None, None]
        r = values.index_select(0, self.order) * log_slope.exp() + self.bias[:, None, None]
        eye = torch.eye(len(self.order), dtype=r.dtype, device=r.device)
        if present is None:
            x = torch.linalg.solve_triangular(eye - self.weight, r.flatten(1), upper=False)
        else:
            # Absent values are zeros, whatever would predict them.
            given = present.index_select(0, self.order)[:, :, 0].t().to(r.dtype)
            weight = given[:, :, None] * self.weight * given[:, None, :]
            r = r.transpose(0, 1) * given[:, :, None]
            x = torch.linalg.solve_triangular(eye - weight, r, upper=False).transpose(0, 1)
        return self._placed(x.reshape(values.shape), log_slope, present)

    def _placed(self, values, log_slope, present):
        values = values.index_select(0, self.place)
        log_slope = log_slope.index_select(0, self.place).expand_as(values)
        if present is not None:
            values, log_slope = values * present, log_slope * present
        return values, log_slope

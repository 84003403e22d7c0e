"""Blocks of lattice sites, taken out of columns and put back."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .lattice_layout import ABSENT, SubLayer


class Blocks(nn.Module):
    """Takes blocks of sites out of columns and puts them back.

    Parameters
    ----------
    sublayer : SubLayer
        Sites of the blocks.
    n_channels : int
        Number of columns of a site.
    n_columns : int
        Number of columns.
    """

    def __init__(self, sublayer: SubLayer, n_channels: int, n_columns: int):
        super().__init__()
        self.level = sublayer.level
        sites = torch.from_numpy(sublayer.blocks).t()
        self.n_values = len(sites) * n_channels
        self.n_even = sublayer.n_even * n_channels
        absent = (sites == ABSENT).repeat_interleave(n_channels, 0)
        columns = sites[:, None] * n_channels + torch.arange(n_channels)[:, None]
        columns = columns.reshape(self.n_values, -1).masked_fill(absent, 0)
        self.register_buffer("columns", columns, persistent=False)
        # Absent values are zero before and after, and have no share in the log-determinant.
        present = (~absent)[:, :, None] if absent.any() else None
        self.register_buffer("present", present, persistent=False)
        kept = (~absent).flatten().nonzero()[:, 0]
        self.register_buffer("kept", kept, persistent=False)
        order = columns.flatten()[kept]
        self.register_buffer("order", order, persistent=False)
        # A sub-layer that touches every column only orders them anew.
        inverse = order.argsort() if len(order) == n_columns else None
        self.register_buffer("inverse", inverse, persistent=False)

    def of(self, columns: Tensor) -> Tensor:
        """Values of shape (n_values, n_blocks, n) of columns of shape (n_columns, n)."""
        values = columns.index_select(0, self.columns.flatten())
        values = values.view(*self.columns.shape, columns.shape[1])
        return values if self.present is None else values * self.present

    def put(self, columns: Tensor, values: Tensor) -> Tensor:
        """Columns with these values in place of the former ones."""
        values = values.reshape(-1, columns.shape[1])
        if self.present is not None:
            values = values.index_select(0, self.kept)
        if self.inverse is not None:
            return values.index_select(0, self.inverse)
        return columns.index_copy(0, self.order, values)

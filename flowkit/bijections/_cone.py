"""The part of a lattice that a hole in the data reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ._blocks import Blocks
from .lattice_layout import ABSENT


class Cone:
    """Inference cone of some columns: the blocks whose values change with them, and no others.

    Everything outside is computed once, by `frame`. From then on `forward` and `inverse` cost
    what the blocks of the cone cost, which grows with the logarithm of the number of columns.

    Parameters
    ----------
    lattice : Lattice
        Whose blocks.
    hole : ndarray of bool of shape (n_features,)
        Columns that change.

    Attributes
    ----------
    columns : Tensor of int of shape (n_latents,)
        Columns of the latents in the cone, increasing.
    hole : Tensor of int of shape (n_hole,)
        Columns that change, increasing.
    """

    def __init__(self, lattice, hole: np.ndarray):
        layout, channels = lattice.layout, lattice.n_channels
        sites = hole.reshape(-1, channels).any(1)
        chosen = layout.cone(sites)
        # The last entry stands for absent sites.
        reached = np.append(sites, False)
        fresh = []
        for sublayer, blocks in zip(layout.sublayers, chosen, strict=True):
            met = np.zeros_like(reached)
            met[sublayer.blocks[blocks]] = True
            met[ABSENT] = False
            fresh.append(np.flatnonzero(met & ~reached))
            reached |= met
        inside = np.flatnonzero(reached)
        position = np.full(len(reached), ABSENT)
        position[inside] = np.arange(len(inside))
        device = lattice.sublayers[0].columns.device

        def columns_of(sites):
            return torch.from_numpy((sites[:, None] * channels + np.arange(channels)).ravel())

        self.columns = columns_of(inside).to(device)
        self.hole = torch.from_numpy(np.flatnonzero(hole)).to(device)
        self._hole_here = torch.searchsorted(self.columns, self.hole)
        self._start = columns_of(np.flatnonzero(sites)).to(device)
        self._start_here = columns_of(position[np.flatnonzero(sites)]).to(device)
        self._lattice = lattice
        self._steps = [
            (
                Blocks(
                    replace(sublayer, blocks=position[sublayer.blocks[blocks]]),
                    channels,
                    len(self.columns),
                ).to(device),
                bijector,
                columns_of(new).to(device),
                columns_of(position[new]).to(device),
            )
            for sublayer, blocks, new, (_, bijector) in zip(
                layout.sublayers, chosen, fresh, lattice.steps(), strict=True
            )
        ]

    def frame(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Run all of the lattice once, and keep what the cone reads from outside.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows; what they hold in the hole has no effect on what is kept.

        Returns
        -------
        kept : list of Tensor
            For `forward`.
        z : Tensor of shape (n, n_latents)
            Latents of the cone.
        """
        columns = x.t()
        kept = [columns.index_select(0, self._start)]
        for (blocks, bijector), (_, _, new, _) in zip(
            self._lattice.steps(), self._steps, strict=True
        ):
            kept.append(columns.index_select(0, new))
            columns = blocks.put(columns, bijector(blocks.of(columns), blocks.present)[0])
        return kept, columns.index_select(0, self.columns).t()

    def forward(self, values: Tensor, kept: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Latents of the cone of rows with these values in the hole.

        Parameters
        ----------
        values : Tensor of shape (n, n_hole)
            Values in the hole.
        kept : list of Tensor
            From `frame`, of the same rows.

        Returns
        -------
        z : Tensor of shape (n, n_latents)
            Latents.
        log_det : Tensor of shape (n,)
            Share of the blocks of the cone in the log-determinant.
        """
        columns = values.new_zeros(len(self.columns), len(values))
        columns = columns.index_copy(0, self._start_here, kept[0])
        columns = columns.index_copy(0, self._hole_here, values.t())
        total = 0.0
        for (blocks, bijector, _, here), outside in zip(self._steps, kept[1:], strict=True):
            columns = columns.index_copy(0, here, outside)
            mapped, log_slope = bijector(blocks.of(columns), blocks.present)
            columns = blocks.put(columns, mapped)
            total = total + log_slope.sum((0, 1))
        return columns.t(), total

    def inverse(self, z: Tensor) -> Tensor:
        """Values in the hole that follow from the latents of the cone, and from these alone.

        Parameters
        ----------
        z : Tensor of shape (n, n_latents)
            Latents.

        Returns
        -------
        Tensor of shape (n, n_hole)
            Values.
        """
        columns = z.t()
        for blocks, bijector, _, _ in reversed(self._steps):
            mapped, _ = bijector.inverse(blocks.of(columns), blocks.present)
            columns = blocks.put(columns, mapped)
        return columns.index_select(0, self._hole_here).t()

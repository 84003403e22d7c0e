"""Renormalization-group lattice: local bijections, from the finest scale to the coarsest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import torch
from torch import Tensor, nn

from .._image_shape import check_image_shape
from ..exceptions import InvalidParameterError, ShapeError
from ._base import Bijection
from ._block_couplings import AffineNet, BlockCouplings, SplineNet
from ._block_prediction import BlockPrediction
from ._blocks import Blocks
from ._cone import Cone
from ._univariate import Affine, RationalQuadraticSpline
from .lattice_layout import lattice_layout


class Lattice(Bijection):
    """Bijections of small blocks, level by level: a renormalization group that can be inverted.

    Level h works on the sites whose coordinates are multiples of ``2 ** h``. It maps blocks of
    `kernel_size` sites along each axis, then blocks shifted by half of that (published code's
    order), with one bijector for all blocks of such a sub-layer. Of the sites that it leaves
    behind, those of the next level go on and the others are latents. So every latent has a level
    and a location, and depends only on what lies near it.

    The bijector of a block is a stack of couplings of the two colours of its checkerboard, each
    colour steering the other in turn with the same networks.

    Parameters
    ----------
    n_features : int
        Number of columns.
    image_shape : tuple of int or None, default=None
        ``(height, width)`` or ``(height, width, channels)`` of images whose flattened values are
        the columns; None makes the columns a chain.
    kernel_size : int, default=4
        Edge of a block.
    n_layers : int or sequence of int, default=2
        Number of pairs of couplings of a sub-layer, of all levels or of each, finest first.
    boundary : {'periodic', 'open'}, default='periodic'
        Whether shifted blocks wrap round the edges or are cut there.
    coupling : {'affine', 'spline'}, default='affine'
        What one colour does to each value of the other. Affine couplings are those published.
    hidden_units : int, default=64
        Width of the networks.
    n_res_blocks : int, default=1
        Number of residual blocks of a network.
    n_hidden_layers : int, default=2
        Number of hidden layers in a residual block.
    share_levels : bool, default=False
        Whether all levels have the same bijectors: scale invariance.
    n_bins : int, default=8
        Number of bins of splines.
    tail_bound : float, default=4.0
        Half-width of the interval that splines bend.
    max_log_scale : float, default=1.0
        Bound of the log-scale of an affine coupling, in nats.
    gradient_checkpointing : bool, default=False
        Whether training computes hidden layers a second time instead of storing them.
    n_predicting : int, default=0
        Number of levels, from the finest, of whose sub-layers each begins with a linear prediction:
        of each value that the next level lacks from others in its block, of those on even squares
        first. Its weights are buffers, at first zeros. Levels that share bijectors have none.
    compile : bool, default=False
        Whether the spline runs through ``torch.compile`` where numba's kernels cannot: on a GPU.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    Raises
    ------
    InvalidParameterError
        If a parameter is none of those above, or `image_shape` does not fit `n_features`.

    Notes
    -----
    Forward-mode derivatives (`torch.func.jvp`) need ``torch.no_grad()`` around them.

    Attributes
    ----------
    layout : Layout
        Blocks of the sub-layers and level of each site.
    grid : tuple of int
        Number of sites along each axis.
    n_channels : int
        Number of columns of a site.

    References
    ----------
    Hu, Wu, You, Olshausen, Chen, "RG-Flow: a hierarchical and explainable flow model based on
    renormalization group and sparse prior", Mach. Learn.: Sci. Technol. 3 (2022) 035009,
    arXiv 2010.00029.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.bijections import Lattice
    >>> lattice = Lattice(32 * 32, image_shape=(32, 32))
    >>> np.bincount(lattice.levels).tolist()
    [768, 192, 48, 16]
    """

    # A cone is that of a hole that many rows share.
    cone_of_rows = False

    def __init__(
        self,
        n_features: int,
        *,
        image_shape: Sequence[int] | None = None,
        kernel_size: int = 4,
        n_layers: int | Sequence[int] = 2,
        boundary: str = "periodic",
        coupling: str = "affine",
        hidden_units: int = 64,
        n_res_blocks: int = 1,
        n_hidden_layers: int = 2,
        share_levels: bool = False,
        n_bins: int = 8,
        tail_bound: float = 4.0,
        max_log_scale: float = 1.0,
        gradient_checkpointing: bool = False,
        n_predicting: int = 0,
        compile: bool = False,
        generator: torch.Generator | None = None,
    ):
        super().__init__(n_features)
        *shape, channels = (
            (n_features, 1) if image_shape is None else check_image_shape(image_shape)
        )
        if math.prod(shape) * channels != n_features:
            raise InvalidParameterError(
                f"image_shape {tuple(image_shape)} has {math.prod(image_shape)} values, but rows "
                f"have {n_features} columns."
            )
        if kernel_size < 2:
            raise InvalidParameterError(f"kernel_size must be at least 2, got {kernel_size}.")
        if boundary not in ("periodic", "open"):
            raise InvalidParameterError(f"boundary must be 'periodic' or 'open', got {boundary!r}.")
        if coupling not in ("affine", "spline"):
            raise InvalidParameterError(f"coupling must be 'affine' or 'spline', got {coupling!r}.")
        self.n_channels = channels
        self.grid = tuple(shape)
        self.layout = lattice_layout(self.grid, kernel_size, boundary == "periodic")
        if coupling == "affine":
            univariate, net = Affine(max_log_scale), AffineNet
        else:
            univariate, net = RationalQuadraticSpline(n_bins, tail_bound, compile), SplineNet
        depths = layers_by_level(n_layers, self.layout.n_levels, share_levels)
        self.sublayers = nn.ModuleList(
            Blocks(sublayer, channels, n_features) for sublayer in self.layout.sublayers
        )
        if n_predicting and share_levels:
            raise InvalidParameterError(
                f"n_predicting={n_predicting} needs share_levels=False, got True."
            )
        n_bijectors = 2 if share_levels else len(self.sublayers)
        self.bijectors = nn.ModuleList(
            BlockCouplings(
                self.sublayers[i].n_values,
                self.sublayers[i].n_even,
                univariate,
                net,
                depths[i // 2],
                self._prediction(i) if i // 2 < n_predicting else None,
                hidden_units=hidden_units,
                n_res_blocks=n_res_blocks,
                n_hidden_layers=n_hidden_layers,
                gradient_checkpointing=gradient_checkpointing,
                generator=generator,
            )
            for i in range(n_bijectors)
        )

    @property
    def n_levels(self) -> int:
        """Number of levels."""
        return self.layout.n_levels

    @property
    def levels(self) -> np.ndarray:
        """Level of the latent of each column, ndarray of shape (n_features,)."""
        return self.layout.levels.repeat(self.n_channels)

    def steps(self) -> list[tuple[Blocks, BlockCouplings]]:
        """Blocks and bijector of each sub-layer, in the order from data to latent."""
        n = len(self.bijectors)
        return [(blocks, self.bijectors[i % n]) for i, blocks in enumerate(self.sublayers)]

    def _prediction(self, i: int) -> BlockPrediction:
        blocks = self.sublayers[i]
        return BlockPrediction(blocks, self.levels == blocks.level)

    def cone(self, hole: np.ndarray) -> Cone:
        """What a hole in the data reaches, to change the data there at little cost.

        Parameters
        ----------
        hole : ndarray of bool of shape (n_features,)
            Columns that change.

        Returns
        -------
        Cone
            Blocks and latents of the inference cone.

        Raises
        ------
        ShapeError
            If `hole` has another shape or type.
        """
        hole = np.asarray(hole)
        if hole.shape != (self.n_features,) or hole.dtype != bool:
            raise ShapeError(
                f"hole must be {self.n_features} bools, one for each column, got {hole.dtype} of "
                f"shape {hole.shape}."
            )
        return Cone(self, hole)

    def log_det_map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map data to latent, with the share of each level and column in the log-determinant.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Data.

        Returns
        -------
        z : Tensor of shape (n, n_features)
            Latent.
        shares : Tensor of shape (n, n_levels, n_features)
            Nats; they sum to the log-determinant of `forward`.
        """
        self._check(x, None)
        columns = x.t()
        shares = columns.new_zeros(self.n_levels, *columns.shape)
        for blocks, bijector in self.steps():
            values, log_slope = bijector(blocks.of(columns), blocks.present)
            columns = blocks.put(columns, values)
            share = shares[blocks.level]
            shares[blocks.level] = blocks.put(share, blocks.of(share) + log_slope)
        return columns.t(), shares.permute(2, 0, 1)

    def _forward(self, x, context):
        columns, total = x.t(), 0.0
        for blocks, bijector in self.steps():
            values, log_slope = bijector(blocks.of(columns), blocks.present)
            columns = blocks.put(columns, values)
            total = total + log_slope.sum((0, 1))
        return columns.t(), total

    def _inverse(self, z, context):
        columns, total = z.t(), 0.0
        for blocks, bijector in reversed(self.steps()):
            values, log_slope = bijector.inverse(blocks.of(columns), blocks.present)
            columns = blocks.put(columns, values)
            total = total + log_slope.sum((0, 1))
        return columns.t(), total


def layers_by_level(n_layers, n_levels: int, share_levels: bool = False) -> list[int]:
    """Number of pairs of couplings of each level, checked."""
    depths = [n_layers] * n_levels if isinstance(n_layers, Integral) else list(n_layers)
    if len(depths) != n_levels or any(not isinstance(n, Integral) or n < 1 for n in depths):
        raise InvalidParameterError(
            f"n_layers must be an int of at least 1, or a list of {n_levels} of them, one for each "
            f"level of this lattice; got {n_layers!r}."
        )
    if share_levels and len(set(depths)) > 1:
        raise InvalidParameterError(
            f"share_levels=True needs as many layers on every level, got n_layers={n_layers!r}."
        )
    return depths

"""Fractal bijections: split the columns, couple the halves, do the same within each half."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from .._image_shape import check_image_shape
from ..exceptions import InvalidParameterError
from ..nets import KAN, ConvNet, GroupedMLP
from ._base import Bijection
from ._column_groups import ColumnGroups
from ._log_det_tree import Node, leaf_nodes
from ._univariate import Affine, RationalQuadraticSpline
from .tree import Level, column_levels, image_levels

# Half-split nodes have half the inputs, so half the width is enough, down to this.
_MIN_HIDDEN_UNITS = 8


class _Fractal(Bijection):
    """Shared by both kinds: the tree, the univariate maps, the networks of a level."""

    def __init__(
        self,
        n_features,
        n_context,
        *,
        coupling="spline",
        n_levels=2,
        conditioner="mlp",
        hidden_units=64,
        n_hidden_layers=2,
        dropout=0.0,
        tied=False,
        reverse=False,
        n_bins=8,
        tail_bound=3.0,
        max_log_scale=3.0,
        compile=False,
        image_shape=None,
        generator=None,
    ):
        super().__init__(n_features, n_context)
        if n_levels < 0:
            raise InvalidParameterError(f"n_levels must be at least 0, got {n_levels}.")
        if coupling not in ("spline", "affine"):
            raise InvalidParameterError(f"coupling must be 'spline' or 'affine', got {coupling!r}.")
        if conditioner not in ("mlp", "kan", "conv"):
            raise InvalidParameterError(
                f"conditioner must be 'mlp', 'kan' or 'conv', got {conditioner!r}."
            )
        if conditioner == "conv" and image_shape is None:
            raise InvalidParameterError("conditioner='conv' needs image_shape, got None.")
        if conditioner == "conv" and n_context:
            raise InvalidParameterError("conditioner='conv' takes no context; use 'mlp' or 'kan'.")
        if image_shape is not None and math.prod(check_image_shape(image_shape)) != n_features:
            raise InvalidParameterError(
                f"image_shape {tuple(image_shape)} has {math.prod(image_shape)} values, but rows "
                f"have {n_features} columns."
            )
        self.leaf = RationalQuadraticSpline(n_bins, tail_bound, compile)
        self.univariate = self.leaf if coupling == "spline" else Affine(max_log_scale)
        self.conditioner = conditioner
        self.net_options = {
            "n_hidden_layers": n_hidden_layers,
            "dropout": dropout,
            "tied": tied,
            "generator": generator,
        }
        self.hidden_units = hidden_units
        self.image_shape = image_shape
        self.reverse = reverse
        self.levels = (
            column_levels(n_features, n_levels)
            if image_shape is None
            else image_levels(image_shape, n_levels)
        )

    def _halves(self, level: Level):
        return (level.right, level.left) if self.reverse else (level.left, level.right)

    def _net(self, depth, in_features, out_features, n_groups, **options):
        grid = self.levels[depth].grid if depth < len(self.levels) else None
        # A level of a quadtree is two of the binary tree.
        depth = depth if self.image_shape is None else depth // 2
        width = max(min(_MIN_HIDDEN_UNITS, self.hidden_units), self.hidden_units >> depth)
        options = {"hidden_units": width, **self.net_options, **options}
        if self.conditioner == "conv":
            return ConvNet(in_features, out_features, n_groups, grid=grid, **options)
        net = KAN if self.conditioner == "kan" else GroupedMLP
        return net(in_features, out_features, n_groups, **options)

    def _forward(self, x, context):
        z, shares = self._shares(x, context)
        return z, sum(share.sum(0) for share in shares)

    def _forward_by_node(self, x, context):
        z, shares = self._shares(x, context)
        return z, torch.cat(shares).t()

    def _shares(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """Latent, and shares of shape (n_nodes_of_a_level, n)."""
        raise NotImplementedError


class FractalCoupling(_Fractal):
    """Coupling of the halves of the columns, then of the halves of each half, and so on.

    ``F_l`` splits its columns in two, couples the right half to the left, and goes on with an
    ``F_(l+1)`` of its own in each half; it ends in a monotone spline of every column. All nodes of
    a level are evaluated at once, in both directions. The networks of deeper levels are narrower.

    Parameters
    ----------
    n_features : int
        Number of columns, any number.
    n_context : int, default=0
        Number of context columns that steer the couplings too.
    coupling : {'spline', 'affine'}, default='spline'
        What the left half steers in the right one.
    n_levels : int, default=2
        How often the halves are split again; 0 is a plain coupling before the splines. Where
        columns run out, the tree ends earlier.
    conditioner : {'mlp', 'kan', 'conv'}, default='mlp'
        Networks: multilayer perceptrons, Kolmogorov-Arnold networks, or convolutions of images.
    hidden_units : int, default=64
        Width of the network of level 0; it halves from level to level, down to 8.
    n_hidden_layers : int, default=2
        Number of hidden layers.
    dropout : float, default=0.0
        Share of hidden units dropped in training.
    tied : bool, default=False
        Whether the nodes of a level share their weights.
    reverse : bool, default=False
        Whether the right half steers the left.
    n_bins : int, default=8
        Number of bins of splines.
    tail_bound : float, default=3.0
        Half-width of the interval that splines bend; outside it they are the identity.
    max_log_scale : float, default=3.0
        Bound of the log-scale of affine couplings, in nats.
    compile : bool, default=False
        Whether the spline runs through ``torch.compile`` where numba's kernels cannot: on a GPU.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, channels)`` of images whose flattened values are
        the columns. The tree then is a quadtree: a level splits an image into the four images of
        every second row and column, each coupled to its neighbours.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    References
    ----------
    Zhang, Ma, "Fractal Flow: Hierarchical and Interpretable Normalizing Flow via Topic Modeling
    and Recursive Strategy", arXiv 2508.19750: a reconstruction, as no code was published.

    Kruse, Detommaso, Koethe, Scheichl, "HINT: Hierarchical Invertible Neural Transport for Density
    Estimation and Bayesian Inference", AAAI 2021, arXiv 1905.10687: recursive affine coupling.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import FractalCoupling
    >>> fractal = FractalCoupling(4, n_levels=1)
    >>> [(node.level, node.kind, node.columns) for node in fractal.nodes[:3]]
    [(0, 'coupling', (0, 1, 2, 3)), (1, 'coupling', (0, 1)), (1, 'coupling', (2, 3))]
    >>> fractal.log_det_tree(torch.zeros(2, 4)).shape
    torch.Size([2, 7])
    """

    def __init__(self, n_features: int, n_context: int = 0, **options):
        super().__init__(n_features, n_context, **options)
        self.couplings = nn.ModuleList()
        for depth, level in enumerate(self.levels):
            kept, moved = self._halves(level)
            kept, moved = ColumnGroups(kept), ColumnGroups(moved)
            size = self.univariate.n_parameters * moved.width
            net = self._net(depth, kept.width + n_context, size, len(level.left))
            self.couplings.append(nn.ModuleDict({"kept": kept, "moved": moved, "net": net}))
        self.raw = nn.Parameter(torch.zeros(self.leaf.n_parameters, n_features))
        # A generator is no part of a module that is copied and pickled.
        del self.net_options

    @property
    def nodes(self):
        couplings = [
            Node(depth, "coupling", level.columns(i))
            for depth, level in enumerate(self.levels)
            for i in range(len(level.left))
        ]
        leaves = leaf_nodes(self.n_features, len(self.levels))
        return (*couplings, *leaves)

    def fused_steps(self):
        steps = [
            self.univariate.fused_coupling(part["kept"], part["moved"], part["net"])
            for part in self.couplings
        ]
        steps.append(self.leaf.fused(self.raw))
        return None if self.n_context or None in steps else steps

    def _couple(self, coupling, columns, context, inverse):
        """Columns after the couplings of one level, and the log-slopes of its nodes."""
        given = context.t() if self.n_context else None
        nodes = coupling["kept"], coupling["moved"]
        return self.univariate.couple(columns, given, *nodes, coupling["net"], inverse)

    def _shares(self, x, context):
        columns, shares = x.t(), []
        for coupling in self.couplings:
            columns, share = self._couple(coupling, columns, context, False)
            shares.append(share)
        columns, log_slope = self.leaf.forward(columns, self.raw[:, :, None])
        return columns.t(), [*shares, log_slope]

    def _inverse(self, z, context):
        columns, log_slope = self.leaf.inverse(z.t(), self.raw[:, :, None])
        total = log_slope.sum(0)
        for coupling in reversed(self.couplings):
            columns, share = self._couple(coupling, columns, context, True)
            total = total + share.sum(0)
        return columns.t(), total


class FractalAutoregressive(_Fractal):
    """Autoregression of halves, within each half of its halves, and so on.

    The columns are split `n_levels` + 1 times in two. What comes before a block of the finest
    split steers a univariate map of each of its columns, through vectors that are handed down the
    tree: the right half of a node gets one from the left half, the left half that of the node.
    `forward` costs one pass, `inverse` one pass per block.

    Parameters
    ----------
    n_features : int
        Number of columns, any number.
    n_context : int, default=0
        Number of context columns that steer the maps too.
    **options
        As in `FractalCoupling`, except that ``conditioner='conv'`` does not exist here.

    References
    ----------
    Li, Sun, Fan, He, "Fractal Generative Models", arXiv 2502.17437: the recursion.

    Zhang, Ma, "Fractal Flow: Hierarchical and Interpretable Normalizing Flow via Topic Modeling
    and Recursive Strategy", arXiv 2508.19750.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import FractalAutoregressive
    >>> fractal = FractalAutoregressive(4, n_levels=0)
    >>> fractal.log_det_tree(torch.zeros(2, 4)).shape
    torch.Size([2, 2])
    """

    def __init__(self, n_features: int, n_context: int = 0, **options):
        super().__init__(n_features, n_context, **options)
        if self.conditioner == "conv":
            raise InvalidParameterError(
                "conditioner='conv' needs the coupling kind of fractal; use 'mlp' or 'kan' here."
            )
        # Blocks of one depth are mapped at once, so only levels that split every node count.
        self.levels = [
            level for depth, level in enumerate(self.levels) if len(level.left) == 2**depth
        ]
        blocks = [np.arange(n_features)]
        self.splits = nn.ModuleList()
        for depth, level in enumerate(self.levels):
            kept = ColumnGroups(self._halves(level)[0])
            size = kept.width + self.hidden_units + n_context
            # Only the maps at the blocks need to be initialised at zero.
            net = self._net(depth, size, self.hidden_units, len(level.left), zero=False)
            self.splits.append(nn.ModuleDict({"kept": kept, "net": net}))
            blocks = [half for pair in zip(level.left, level.right, strict=True) for half in pair]
        self.blocks = ColumnGroups(blocks)
        self.net = self._net(
            len(self.levels),
            self.hidden_units + n_context,
            self.univariate.n_parameters * self.blocks.width,
            len(blocks),
        )
        del self.net_options

    @property
    def nodes(self):
        return tuple(
            Node(len(self.levels), "block", tuple(sorted(block))) for block in self.blocks.groups
        )

    def _parameters_for(self, columns: Tensor, context: Tensor | None) -> Tensor:
        n = columns.shape[1]
        given = context.t()[None] if self.n_context else columns.new_zeros(1, 0, n)
        handed = columns.new_zeros(1, self.hidden_units, n)
        for split in self.splits:
            kept = split["kept"].of(columns)
            steer = torch.cat((kept, handed, given.expand(len(kept), -1, -1)), 1)
            pair = (handed, handed + split["net"](steer))
            pair = torch.stack(pair[::-1] if self.reverse else pair, 1)
            handed = pair.view(2 * len(kept), self.hidden_units, n)
        raw = self.net(torch.cat((handed, given.expand(len(handed), -1, -1)), 1))
        shape = (len(handed), self.univariate.n_parameters, self.blocks.width, n)
        return raw.view(shape).transpose(0, 1)

    def _shares(self, x, context):
        columns = x.t()
        moved, log_slope = self.univariate.forward(
            self.blocks.of(columns), self._parameters_for(columns, context)
        )
        return self.blocks.put(columns, moved).t(), [self.blocks.total(log_slope)]

    def _inverse(self, z, context):
        latent = self.blocks.of(z.t())
        columns = z.t()
        for _ in self.blocks.groups:
            # Each pass settles one block more: those before it are right already.
            moved, log_slope = self.univariate.inverse(
                latent, self._parameters_for(columns, context)
            )
            columns = self.blocks.put(columns, moved)
        return columns.t(), self.blocks.total(log_slope).sum(0)

"""Convolutional networks from images to numbers, and from numbers to images."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Dropout, GroupedLinear, Linear, activation
from .mlp import check_hidden


class ConvEncoder(nn.Module):
    """Several networks side by side, each from an image of its own to numbers.

    Strided 3x3 convolutions halve the image as often as there are hidden layers, the last with
    `hidden_units` channels, each one before with half of those after; a linear layer follows.
    The last layer is initialised at zero.

    Parameters
    ----------
    image_shape : tuple of int
        Height, width and number of channels; rows hold values in this order.
    out_features : int
        Number of outputs of each network.
    n_groups : int, default=1
        Number of networks.
    hidden_units : int, default=64
        Channels of the coarsest layer.
    n_hidden_layers : int, default=2
        Number of convolutions.
    dropout : float, default=0.0
        Share of the coarsest values dropped in training.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import ConvEncoder
    >>> ConvEncoder((8, 8, 1), 5, n_groups=3)(torch.ones(3, 64, 2)).shape
    torch.Size([3, 5, 2])
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        out_features: int,
        n_groups: int = 1,
        *,
        hidden_units: int = 64,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_hidden(hidden_units, n_hidden_layers)
        self.image_shape, self.n_groups = image_shape, n_groups
        channels = [image_shape[2], *_channels(hidden_units, n_hidden_layers)]
        self.convolutions = nn.ModuleList(
            _Convolution(a, b, n_groups, stride=2, generator=generator)
            for a, b in itertools.pairwise(channels)
        )
        size = channels[-1] * math.prod(_grids(image_shape, n_hidden_layers)[-1])
        self.last = GroupedLinear(size, out_features, n_groups, zero=True)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n_groups, n_features, n)`` to ``(n_groups, out_features, n)``."""
        height, width, channels = self.image_shape
        h = x.reshape(self.n_groups, height, width, channels, -1).permute(4, 0, 3, 1, 2)
        h = h.flatten(1, 2)
        for convolution in self.convolutions:
            h = activation(convolution(h))
        h = self.dropout(h.contiguous())
        return self.last(h.reshape(len(h), self.n_groups, -1).permute(1, 2, 0))


class ConvDecoder(nn.Module):
    """Network from numbers to images, the mirror image of `ConvEncoder`.

    Sub-pixel convolutions double the image until it has its size. The last layer is initialised at
    zero and has a bias of its own at every pixel.

    Parameters
    ----------
    in_features : int
        Number of inputs.
    image_shape : tuple of int
        Height, width and number of channels.
    n_outputs : int, default=1
        Number of images that come out, one after the other.
    hidden_units, n_hidden_layers, dropout, generator
        As for `ConvEncoder`.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import ConvDecoder
    >>> ConvDecoder(5, (8, 8, 1), 2)(torch.ones(3, 5)).shape
    torch.Size([3, 128])
    """

    def __init__(
        self,
        in_features: int,
        image_shape: tuple[int, int, int],
        n_outputs: int = 1,
        *,
        hidden_units: int = 64,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_hidden(hidden_units, n_hidden_layers)
        self.image_shape, self.n_outputs = image_shape, n_outputs
        channels = _channels(hidden_units, n_hidden_layers)[::-1]
        self.grids = _grids(image_shape, n_hidden_layers)[::-1]
        self.channels = channels[0]
        self.first = Linear(
            in_features, channels[0] * math.prod(self.grids[0]), generator=generator
        )
        self.convolutions = nn.ModuleList(
            _Convolution(a, 4 * b, 1, generator=generator) for a, b in itertools.pairwise(channels)
        )
        n_images = n_outputs * image_shape[2]
        self.last = _Convolution(channels[-1], 4 * n_images, 1, zero=True)
        self.bias = nn.Parameter(torch.zeros(n_outputs * math.prod(image_shape)))
        self.dropout = Dropout(dropout)

    def forward(self, z: Tensor) -> Tensor:
        """Map ``(n, in_features)`` to ``(n, n_outputs * n_features)``."""
        h = activation(self.first(z).contiguous()).view(-1, self.channels, *self.grids[0])
        h = self.dropout(h)
        for convolution, grid in zip(self.convolutions, self.grids[1:], strict=False):
            h = activation(_doubled(convolution(h), grid))
        out = _doubled(self.last(h), self.grids[-1])
        out = out.unflatten(1, (self.n_outputs, -1)).permute(0, 1, 3, 4, 2)
        return out.reshape(len(z), -1) + self.bias


class _Convolution(nn.Module):
    """3x3 convolution, a set of weights for each group of channels."""

    def __init__(self, n_in, n_out, n_groups, *, stride=1, zero=False, generator=None):
        super().__init__()
        weight = torch.zeros(n_groups * n_out, n_in, 3, 3)
        bias = torch.zeros(n_groups * n_out)
        if not zero:
            # Without residual paths, the variance must survive every rectifier.
            weight.normal_(0, math.sqrt(2 / (9 * n_in)), generator=generator)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.n_groups, self.stride = n_groups, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(
            x, self.weight, self.bias, stride=self.stride, padding=1, groups=self.n_groups
        )


def _channels(hidden_units: int, n_hidden_layers: int) -> list[int]:
    """Channels from the finest layer to the coarsest."""
    return [max(1, hidden_units >> i) for i in range(n_hidden_layers)][::-1]


def _grids(image_shape, n_hidden_layers: int) -> list[tuple[int, int]]:
    """Height and width from the image to the coarsest layer."""
    grids = [tuple(image_shape[:2])]
    for _ in range(n_hidden_layers):
        grids.append(tuple(-(-size // 2) for size in grids[-1]))
    return grids


def _doubled(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Four channels become the four pixels of twice the grid, cut where that is odd."""
    return F.pixel_shuffle(x, 2)[:, :, : grid[0], : grid[1]]

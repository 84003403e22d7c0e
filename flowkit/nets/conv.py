"""Residual convolutional network over several groups of images side by side."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .grouped import check_sizes
from .layers import Dropout, activation
from .mlp import check_hidden


class ConvNet(nn.Module):
    """Residual network of 3x3 convolutions, one for each group, evaluated at once.

    The last layer is initialised at zero, so that what the networks steer begins as the identity.
    It has a bias of its own at every pixel, as images differ from pixel to pixel.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of input and output of each group: multiples of ``height * width``, as the values of
        images in the order channel, row, column.
    n_groups : int, default=1
        Number of networks.
    grid : tuple of int
        Height and width of the images.
    hidden_units : int, default=32
        Number of hidden channels of each group.
    n_hidden_layers : int, default=2
        Number of hidden layers.
    dropout : float, default=0.0
        Share of hidden values dropped in training.
    tied : bool, default=False
        Whether all groups share one set of weights.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import ConvNet
    >>> ConvNet(16, 32, n_groups=2, grid=(4, 4))(torch.ones(2, 16, 5)).shape
    torch.Size([2, 32, 5])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_groups: int = 1,
        *,
        grid: tuple[int, int],
        hidden_units: int = 32,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        tied: bool = False,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_sizes(in_features, out_features, n_groups)
        check_hidden(hidden_units, n_hidden_layers)
        self.grid, self.tied = grid, tied
        size = math.prod(grid)
        options = {"n_sets": 1 if tied else n_groups, "generator": generator}
        self.first = _Convolution(in_features // size, hidden_units, 3, **options)
        self.hidden = nn.ModuleList(
            _Convolution(hidden_units, hidden_units, 1 if i % 2 else 3, **options)
            for i in range(n_hidden_layers - 1)
        )
        self.last = _Convolution(hidden_units, out_features // size, 3, zero=True, **options)
        self.bias = nn.Parameter(torch.zeros(n_groups, out_features))
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n_groups, in_features, n)`` to ``(n_groups, out_features, n)``."""
        n_groups, in_features, n = x.shape
        out_features = self.bias.shape[1]
        channels = in_features // math.prod(self.grid)
        # Tied groups are more images, groups with weights of their own are more channels.
        if self.tied:
            images = x.permute(0, 2, 1).reshape(n_groups * n, channels, *self.grid)
        else:
            images = x.permute(2, 0, 1).reshape(n, n_groups * channels, *self.grid)
        h = self.first(images)
        for layer in self.hidden:
            h = h + layer(self.dropout(activation(h)))
        out = self.last(self.dropout(activation(h)))
        if self.tied:
            out = out.reshape(n_groups, n, out_features).permute(0, 2, 1)
        else:
            out = out.reshape(n, n_groups, out_features).permute(1, 2, 0)
        return out + self.bias[:, :, None]

    by_columns = forward
    residual_layers = None


class _Convolution(nn.Module):
    """Convolution that keeps the size of its images, of one or several sets of weights."""

    def __init__(self, in_channels, out_channels, width, *, n_sets, zero=False, generator=None):
        super().__init__()
        weight = torch.zeros(n_sets * out_channels, in_channels, width, width)
        bias = torch.zeros(n_sets * out_channels)
        if not zero:
            bound = 1.0 / math.sqrt(in_channels * width**2)
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.n_sets = n_sets

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, padding="same", groups=self.n_sets)

"""Couplings within the blocks of a lattice: the colours of a checkerboard steer one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..nets import SwishResNet
from ..nets.layers import GroupedLinear


class BlockCouplings(nn.Module):
    """Bijector of all blocks of a sub-layer: the colours of a checkerboard steer one another.

    Parameters
    ----------
    n_values : int
        Number of values of a block.
    n_even : int
        Number of these on even squares, which come first.
    univariate : Affine or RationalQuadraticSpline
        The map of one number.
    net : class of network
        Builds, of the numbers of values of both colours and the map, the networks that steer it.
    n_layers : int
        Number of pairs of couplings; both of a pair use the same networks.
    prediction : BlockPrediction or None, default=None
        Comes before the couplings.
    **net_options
        Passed to `flowkit.nets.SwishResNet`.
    """

    def __init__(
        self,
        n_values: int,
        n_even: int,
        univariate,
        net,
        n_layers: int,
        prediction: nn.Module | None = None,
        **net_options,
    ):
        super().__init__()
        self.prediction = prediction
        self.univariate = univariate
        self.n_even = n_even
        sizes = n_even, n_values - n_even
        self.nets = nn.ModuleList(net(sizes, univariate, **net_options) for _ in range(n_layers))

    def forward(self, values: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mapped values and their log-slopes, both of the shape (n_values, n_blocks, n)."""
        if self.prediction is None:
            return self._forward(values, present)
        values, first = self.prediction(values, present)
        values, log_slope = self._forward(values, present)
        return values, first + log_slope

    def inverse(self, values: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """What `forward` maps to these values, and the log-slopes of that direction."""
        values, log_slope = self._inverse(values, present)
        if self.prediction is None:
            return values, log_slope
        values, last = self.prediction.inverse(values, present)
        return values, log_slope + last

    def _forward(self, values, present):
        even, odd = values[: self.n_even], values[self.n_even :]
        even_slope, odd_slope = torch.zeros_like(even), torch.zeros_like(odd)
        run = self.univariate.forward
        for net in self.nets:
            odd, slope = self._couple(net, even, odd, present, run, moves_even=False)
            odd_slope = odd_slope + slope
            even, slope = self._couple(net, odd, even, present, run, moves_even=True)
            even_slope = even_slope + slope
        return torch.cat((even, odd)), torch.cat((even_slope, odd_slope))

    def _inverse(self, values, present):
        even, odd = values[: self.n_even], values[self.n_even :]
        even_slope, odd_slope = torch.zeros_like(even), torch.zeros_like(odd)
        run = self.univariate.inverse
        for net in reversed(self.nets):
            even, slope = self._couple(net, odd, even, present, run, moves_even=True)
            even_slope = even_slope + slope
            odd, slope = self._couple(net, even, odd, present, run, moves_even=False)
            odd_slope = odd_slope + slope
        return torch.cat((even, odd)), torch.cat((even_slope, odd_slope))

    def _couple(self, net, kept, moved, present, run, moves_even):
        """One colour after the other has steered it, and its log-slopes."""
        # A lattice of one site has one colour.
        if not len(moved):
            return moved, moved
        blank = torch.zeros_like(moved)
        steer = torch.cat((blank, kept) if moves_even else (kept, blank)).flatten(1)
        out, slope = run(moved.flatten(1), net(steer, moves_even))
        out, slope = out.view_as(moved), slope.view_as(moved)
        if present is not None:
            present = present[: self.n_even] if moves_even else present[self.n_even :]
            out, slope = out * present, slope * present
        return out, slope


class AffineNet(nn.Module):
    """The published networks: one of scales and one of shifts, of all values of a block."""

    def __init__(self, sizes: tuple[int, int], affine, **net_options):
        super().__init__()
        self.sizes = sizes
        self.net = SwishResNet(sum(sizes), affine.n_parameters, **net_options)

    def forward(self, steer: Tensor, moves_even: bool) -> Tensor:
        return self.net(steer).split(self.sizes, 1)[0 if moves_even else 1]


class SplineNet(nn.Module):
    """One network, and a linear map to the parameters of the splines of each colour."""

    def __init__(self, sizes: tuple[int, int], spline, **net_options):
        super().__init__()
        self.n_parameters = spline.n_parameters
        self.tail_bound = spline.tail_bound
        self.net = SwishResNet(sum(sizes), zero=False, **net_options)
        self.heads = nn.ModuleList(
            GroupedLinear(sum(sizes), self.n_parameters * size, zero=True) for size in sizes
        )

    def forward(self, steer: Tensor, moves_even: bool) -> Tensor:
        # Beyond their bound splines are the identity, and what steers them is constant: otherwise
        # an outlier would bend the splines of its neighbours until they cannot be inverted.
        steer = steer.clamp(-self.tail_bound, self.tail_bound)
        raw = self.heads[0 if moves_even else 1](self.net(steer))
        return raw.view(self.n_parameters, -1, steer.shape[1])

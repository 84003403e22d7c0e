"""Kolmogorov-Arnold networks, several side by side.

Values are ``(groups, features, n)``, their bases ``(groups, bases, features, n)``, each basis one
contiguous plane.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._once_differentiable import once_differentiable
from ..exceptions import InvalidParameterError
from .grouped import check_sizes
from .layers import Dropout, GroupedLinear
from .mlp import check_hidden

_DEGREE = 3
# Inputs within this size are squashed next to linearly.
_LINEAR_WITHIN = 3.0
# Share of the uniform grid in the knots, which keeps them apart whatever the data.
_UNIFORM_SHARE = 0.2
# Order statistics that stand for the data when the grid moves.
_N_QUANTILES = 512
# Weight of the whole interval against the data, which need not reach every spline.
_EVERYWHERE = 1e-3


class KAN(nn.Module):
    """Networks that learn a univariate function on every edge, one network a group.

    The function of an edge is ``w silu(x)`` plus a cubic spline whose knots follow the data; nodes
    sum their edges and a bias. The last layer is initialised at zero, so that what the
    networks steer begins as the identity.

    Parameters
    ----------
    in_features, out_features, n_groups, dropout, tied, zero, generator
        As for `GroupedMLP`. Tied groups share their knots, too.
    hidden_units : int, default=16
        Width of the hidden layers of each group.
    n_hidden_layers : int, default=1
        Number of hidden layers.
    n_intervals : int, default=5
        Number of polynomial pieces of each spline.

    References
    ----------
    Liu, Wang, Vaidya, Ruehle, Halverson, Soljačić, Hou, Tegmark, "KAN: Kolmogorov-Arnold
    Networks", ICLR 2025, arXiv 2404.19756.

    Examples
    --------
    >>> import torch
    >>> from flowkit.nets import KAN
    >>> KAN(3, 2, n_groups=4)(torch.ones(4, 3, 5)).shape
    torch.Size([4, 2, 5])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_groups: int = 1,
        *,
        hidden_units: int = 16,
        n_hidden_layers: int = 1,
        n_intervals: int = 5,
        dropout: float = 0.0,
        tied: bool = False,
        zero: bool = True,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        check_sizes(in_features, out_features, n_groups)
        check_hidden(hidden_units, n_hidden_layers)
        if n_intervals < 1:
            raise InvalidParameterError(f"n_intervals must be at least 1, got {n_intervals}.")
        sizes = (in_features, *[hidden_units] * n_hidden_layers)
        shared = {"n_intervals": n_intervals, "tied": tied, "generator": generator}
        self.hidden = nn.ModuleList(KANLayer(*pair, n_groups, **shared) for pair in pairwise(sizes))
        self.last = KANLayer(hidden_units, out_features, n_groups, zero=zero, **shared)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n_groups, in_features, n)`` to ``(n_groups, out_features, n)``.

        The first batch in training moves the knots as `update_grid` does.
        """
        for layer in self.hidden:
            x = self.dropout(layer(x))
        return self.last(x)

    by_columns = forward
    residual_layers = None

    @torch.no_grad()
    def update_grid(self, x: Tensor) -> None:
        """Move the knots of all layers to the quantiles of their inputs; the output stays as it is.

        Parameters
        ----------
        x : Tensor of shape (n_groups, in_features, n)
            Inputs of the network.
        """
        for layer in (*self.hidden, self.last):
            layer.update_grid(x)
            x = layer(x)


class KANLayer(nn.Module):
    """One layer of `KAN`: a learnable function on every edge, summed at the nodes.

    Parameters
    ----------
    in_features, out_features, n_groups, n_intervals, tied, generator
        As for `KAN`.
    zero : bool, default=False
        Whether to initialise at zero instead of at random.

    Attributes
    ----------
    knots : Tensor of shape (n_groups, n_intervals + 7, in_features)
        Knots of the splines of squashed inputs; the first axis is 1 if tied.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_groups: int = 1,
        *,
        n_intervals: int = 5,
        zero: bool = False,
        tied: bool = False,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        self.n_intervals = n_intervals
        steps = torch.arange(-_DEGREE, n_intervals + _DEGREE + 1) * (2 / n_intervals) - 1
        knots = steps[:, None].repeat(1 if tied else n_groups, 1, in_features)
        self.register_buffer("knots", knots)
        self.register_buffer("started", torch.tensor(False))
        n_inputs = (1 + n_intervals + _DEGREE) * in_features
        self.linear = GroupedLinear(n_inputs, out_features, n_groups, zero=True, tied=tied)
        if in_features and not zero:
            bound = 1.0 / math.sqrt(in_features)
            base, splines = self._weights()
            base.uniform_(-bound, bound, generator=generator)
            splines.normal_(0.0, 0.1 * bound, generator=generator)

    def _weights(self) -> tuple[Tensor, Tensor]:
        """Views of the weights of silu, ``(groups, out_features, in_features)``, and of the
        splines, ``(groups, out_features, n_bases, in_features)``."""
        shape = 1 + self.n_intervals + _DEGREE, self.knots.shape[2]
        weight = self.linear.weight.detach().unflatten(2, shape)
        return weight[:, :, 0], weight[:, :, 1:]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n_groups, in_features, n)`` to ``(n_groups, out_features, n)``."""
        if self.training and not self.started:
            self.update_grid(x)
        return self.linear(_EdgeFunctions.apply(x, self.knots).flatten(1, 2))

    @torch.no_grad()
    def update_grid(self, x: Tensor) -> None:
        """Move the knots to the quantiles of `x` and refit the splines to what they were.

        Parameters
        ----------
        x : Tensor of shape (n_groups, in_features, n)
            Inputs of the layer, pooled over the groups if tied.
        """
        if self.knots.shape[0] < x.shape[0]:
            x = x.transpose(0, 1).flatten(1)[None]
        n = x.shape[2]
        if not n:
            return
        ranks = torch.arange(_N_QUANTILES, device=x.device) * (n - 1) // (_N_QUANTILES - 1)
        u = _squash(x).sort(2).values[:, :, ranks]
        parts = torch.arange(1, self.n_intervals, device=x.device)
        quantiles = u[:, :, parts * _N_QUANTILES // self.n_intervals].mT
        uniform = parts[:, None].to(u) * (2 / self.n_intervals) - 1
        knots = self.knots.clone()
        knots[:, _DEGREE + 1 : -_DEGREE - 1] = quantiles + _UNIFORM_SHARE * (uniform - quantiles)
        splines = self._weights()[1]
        splines.copy_(_refitted(splines, u, self.knots, knots))
        self.knots.copy_(knots)
        self.started.fill_(True)


def _squash(x: Tensor) -> Tensor:
    """Send all numbers into (-1, 1); the slope falls like a power, so that no input is lost."""
    # hypot, as squares of float32 overflow.
    return x / torch.hypot(x, x.new_full((), _LINEAR_WITHIN))


def _refitted(splines: Tensor, u: Tensor, knots: Tensor, new_knots: Tensor) -> Tensor:
    """Coefficients of the same functions on other knots, by least squares at `u`."""
    # In double precision, for the normal equations.
    everywhere = torch.linspace(-1, 1, _N_QUANTILES, dtype=torch.float64, device=u.device)
    rows = torch.cat((u.double(), everywhere.expand_as(u)), 2)
    old = _cubic(rows, knots.double())[0].transpose(1, 2)
    new = _cubic(rows, new_knots.double())[0].transpose(1, 2)
    weighted = new.clone()
    weighted[..., _N_QUANTILES:] *= _EVERYWHERE
    change = torch.linalg.solve(weighted @ new.mT, weighted @ old.mT)
    return torch.einsum("gimk,goki->gomi", change, splines.double())


class _EdgeFunctions(torch.autograd.Function):
    """silu and the spline bases of every input, their gradient by hand: the hot path."""

    @staticmethod
    def forward(ctx, x, knots):
        groups, features, n = x.shape
        functions = x.new_empty(groups, knots.shape[1] - _DEGREE, features, n)
        functions[:, 0] = F.silu(x)
        _, quadratic = _cubic(_squash(x), knots, functions[:, 1:])
        ctx.save_for_backward(x, knots, quadratic)
        return functions

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, knots, quadratic = ctx.saved_tensors
        start, end = _supports(knots, _DEGREE)
        by_u = (grad[:, 2:] - grad[:, 1:-1]).mul_(quadratic).mul_(_DEGREE / (end - start)).sum(1)
        size = torch.hypot(x, x.new_full((), _LINEAR_WITHIN))
        by_x = by_u * (_LINEAR_WITHIN / size).square_() / size
        return by_x.add_(torch.ops.aten.silu_backward(grad[:, 0], x)), None


def _cubic(u: Tensor, knots: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Cubic and quadratic B-splines that do not vanish on [-1, 1], at `u` within it."""
    groups, features, n = u.shape
    u = u[:, None]
    # Clamped ramps, unlike indicators of the intervals, hold at both ends and need no comparison.
    ramps = _ramps(u, knots, 1).clamp_(0, 1)
    linear = u.new_empty(groups, ramps.shape[1] + 1, features, n)
    linear[:, 0] = 1
    linear[:, 1:] = ramps
    linear[:, :-1] -= ramps
    quadratic = _raised(linear, _ramps(u, knots, 2))
    return _raised(quadratic, _ramps(u, knots, 3), out), quadratic


def _raised(bases: Tensor, ramps: Tensor, out: Tensor | None = None) -> Tensor:
    """One step of the recursion of Cox and de Boor: the bases of the next degree."""
    if out is None:
        out = bases.new_empty(bases.shape[0], bases.shape[1] + 1, *bases.shape[2:])
    torch.addcmul(bases, bases, ramps, value=-1, out=out[:, :-1])
    out[:, -1] = 0
    out[:, 1:].addcmul_(bases, ramps)
    return out


def _ramps(u: Tensor, knots: Tensor, degree: int) -> Tensor:
    start, end = _supports(knots, degree)
    # Two binary passes: one with three operands that broadcast is slower.
    return (u - start).mul_(1 / (end - start))


def _supports(knots: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Ends of the supports of the bases one degree below, as columns."""
    spare = _DEGREE + 1 - degree
    return knots[:, spare : -_DEGREE - 1, :, None], knots[:, _DEGREE + 1 : -spare, :, None]

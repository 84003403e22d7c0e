"""Pre-activation residual network with learnable swish and weight normalisation."""

from __future__ import annotations

import copy
import itertools
import math

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .._compiled import is_plain
from .._once_differentiable import once_differentiable
from ..exceptions import InvalidParameterError
from .layers import GroupedLinear

# The gain that keeps the variance of activations behind a swish.
_SWISH_GAIN = 2.81


class SwishResNet(nn.Module):
    """Residual network of as many outputs as inputs, one for each of several groups.

    Every residual block is swish, linear, swish, linear, and so on; what it gives is merged with
    its input as ``(x + block(x)) / sqrt(2)``. Rows come last: the input is ``(n_features, n)``
    for all groups alike, the output ``(n_groups, n_features, n)``.

    Parameters
    ----------
    n_features : int
        Number of inputs and of outputs.
    n_groups : int, default=1
        Number of networks side by side.
    hidden_units : int, default=64
        Width of the hidden layers.
    n_res_blocks : int, default=1
        Number of residual blocks.
    n_hidden_layers : int, default=2
        Number of hidden layers in a block.
    zero : bool, default=True
        Whether a learnable factor of every output follows that is initialised at zero.
    gradient_checkpointing : bool, default=False
        Whether training computes hidden layers a second time instead of storing them.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    References
    ----------
    Hu, Wu, You, Olshausen, Chen, "RG-Flow: a hierarchical and explainable flow model based on
    renormalization group and sparse prior", Mach. Learn.: Sci. Technol. 3 (2022) 035009,
    arXiv 2010.00029: the form and its initialisation, read from the published code.
    """

    def __init__(
        self,
        n_features: int,
        n_groups: int = 1,
        *,
        hidden_units: int = 64,
        n_res_blocks: int = 1,
        n_hidden_layers: int = 2,
        zero: bool = True,
        gradient_checkpointing: bool = False,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        for name, value in (
            ("hidden_units", hidden_units),
            ("n_res_blocks", n_res_blocks),
            ("n_hidden_layers", n_hidden_layers),
        ):
            if value < 1:
                raise InvalidParameterError(f"{name} must be at least 1, got {value}.")
        self.n_groups = n_groups
        self.gradient_checkpointing = gradient_checkpointing
        sizes = [n_features, *[hidden_units] * n_hidden_layers, n_features]

        def layer(n_in, n_out):
            linear = WeightNormLinear(n_in, n_out, n_groups, generator=generator)
            return nn.Sequential(Swish(n_groups, n_in), linear)

        self.blocks = nn.ModuleList(
            nn.Sequential(*(layer(*pair) for pair in itertools.pairwise(sizes)))
            for _ in range(n_res_blocks)
        )
        self.scale = nn.Parameter(torch.zeros(n_groups, n_features, 1)) if zero else None

    def forward(self, x: Tensor) -> Tensor:
        if self.gradient_checkpointing and self.training and torch.is_grad_enabled():
            # Nothing in here is random, so there is no state to keep.
            return checkpoint(self._run, x, use_reentrant=False, preserve_rng_state=False)
        return self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        x = x.expand(self.n_groups, -1, -1)
        for block in self.blocks:
            x = (x + block(x)) * math.sqrt(0.5)
        return x if self.scale is None else self.scale * x


class Swish(nn.Module):
    """``x * sigmoid(a x)`` with a learnable ``a`` of each feature, initially one.

    Parameters
    ----------
    n_groups, n_features : int
        Axes before the rows.
    """

    def __init__(self, n_groups: int, n_features: int):
        super().__init__()
        self.slope = nn.Parameter(torch.ones(n_groups, n_features, 1))

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            if not is_plain():
                return x * torch.sigmoid(x * self.slope)
            if x.requires_grad or self.slope.requires_grad:
                return _Swish.apply(x, self.slope)
        return torch.mul(x, self.slope).sigmoid_().mul_(x)


class _Swish(torch.autograd.Function):
    """Memory is what a swish costs: autograd alone would store and write twice as much."""

    @staticmethod
    def forward(ctx, x, slope):
        gate = torch.mul(x, slope).sigmoid_()
        ctx.save_for_backward(x, slope, gate)
        return x * gate

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, slope, gate = ctx.saved_tensors
        closed = torch.sub(1, gate).mul_(x)
        grad = grad * gate
        closed.mul_(grad)
        by_slope = None
        if ctx.needs_input_grad[1]:
            by_slope = torch.linalg.vecdot(closed, x).unsqueeze(-1)
        return torch.addcmul(grad, slope, closed), by_slope


class WeightNormLinear(nn.Module):
    """`GroupedLinear` whose weights are a direction times a learnable length of each output.

    Parameters
    ----------
    in_features, out_features, n_groups : int
        Sizes.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_groups: int,
        *,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        bound = math.sqrt(3 * _SWISH_GAIN / in_features)
        weight = torch.zeros(n_groups, out_features, in_features)
        weight.uniform_(-bound, bound, generator=generator)
        self.direction = nn.Parameter(weight)
        self.length = nn.Parameter(weight.norm(dim=2, keepdim=True))
        self.bias = nn.Parameter(torch.zeros(n_groups, out_features, 1))

    def weight(self) -> Tensor:
        """Weights of shape (n_groups, out_features, in_features)."""
        return self.direction * (self.length / self.direction.norm(dim=2, keepdim=True))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, self.weight(), x)


def without_weight_norm(module: nn.Module) -> nn.Module:
    """Copy of a module that need not be trained: its weights are computed once, not every time."""
    module = copy.deepcopy(module).requires_grad_(False)
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, WeightNormLinear):
                setattr(parent, name, _plain(child))
    return module


def _plain(layer: WeightNormLinear) -> GroupedLinear:
    weight = layer.weight()
    n_groups, out_features, in_features = weight.shape
    plain = GroupedLinear(in_features, out_features, n_groups, zero=True).to(weight)
    plain.load_state_dict({"weight": weight, "bias": layer.bias[:, :, 0]})
    return plain.requires_grad_(False)

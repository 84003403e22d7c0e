"""Layers whose randomness comes from an explicit generator."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import InvalidParameterError


class Linear(nn.Module):
    """``y = W x + b``, drawn from `generator`, returning memory laid out feature by feature.

    The output is ``(n, out_features)`` like that of `torch.nn.Linear`; its transpose is
    contiguous, which is what the univariate maps read.

    Parameters
    ----------
    in_features, out_features : int
        Sizes; `in_features` may be 0, the output then is the bias.
    zero : bool, default=False
        Whether to initialise at zero instead of at random.
    mask : Tensor of shape (out_features, in_features), optional
        Which weights exist.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        zero: bool = False,
        mask: Tensor | None = None,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        weight, bias = torch.zeros(out_features, in_features), torch.zeros(out_features)
        if in_features and not zero:
            bound = 1.0 / math.sqrt(in_features)
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight if self.mask is None else self.weight * self.mask
        return torch.addmm(self.bias[:, None], weight, x.t()).t()


class GroupedLinear(nn.Module):
    """``y = W x + b`` for groups side by side, each with its own weights or all with the same.

    Rows come last: the input is ``(n_groups, in_features, n)``, the output
    ``(n_groups, out_features, n)``.

    Parameters
    ----------
    in_features, out_features : int
        Sizes; `in_features` may be 0, the output then is the bias.
    n_groups : int, default=1
        Number of groups.
    zero : bool, default=False
        Whether to initialise at zero instead of at random.
    tied : bool, default=False
        Whether all groups share one set of weights.
    generator : torch.Generator, optional
        Source of the initial weights; torch's global one by default.

    Attributes
    ----------
    weight : Parameter of shape (n_groups, out_features, in_features)
        One matrix a group; the first axis is 1 if tied.
    bias : Parameter of shape (n_groups, out_features)
        One vector a group; the first axis is 1 if tied.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_groups: int = 1,
        *,
        zero: bool = False,
        tied: bool = False,
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        n_sets = 1 if tied else n_groups
        weight = torch.zeros(n_sets, out_features, in_features)
        bias = torch.zeros(n_sets, out_features)
        if in_features and not zero:
            bound = 1.0 / math.sqrt(in_features)
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        # Folding tied groups into the rows instead takes as long.
        weight = self.weight.expand(x.shape[0], -1, -1)
        return torch.baddbmm(self.bias[:, :, None], weight, x)


class RandomLayer(nn.Module):
    """A layer that draws from `generator`.

    Attributes
    ----------
    generator : torch.Generator or None
        Source of randomness; torch's global one if None.
    """

    def __init__(self):
        super().__init__()
        self.generator: torch.Generator | None = None

    def __getstate__(self):
        # Generators neither pickle nor copy; a copied module has none.
        return {**self.__dict__, "generator": None}


class Dropout(RandomLayer):
    """Dropout whose masks come from an explicit generator.

    The input may have any shape and order of axes, but no gaps in memory, as no activation has.

    Parameters
    ----------
    p : float, default=0.0
        Share of the units set to zero, rounded to a multiple of 1/256.
    """

    def __init__(self, p: float = 0.0):
        super().__init__()
        if not 0 <= p < 1:
            raise InvalidParameterError(f"dropout must be in [0, 1), got {p}.")
        # At most 255 of 256, so that the rescaling below stays finite.
        self.threshold = min(round(256 * p), 255)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.threshold:
            return x
        keep = (self.draws(x) >= self.threshold).to(x.dtype) * (256 / (256 - self.threshold))
        # In the memory order of x: a product of two orders takes longer.
        return x * keep.as_strided(x.shape, x.stride())

    def draws(self, x: Tensor) -> Tensor:
        """A byte for each value of a tensor, in the order of its memory; below `threshold`, drop.

        Parameters
        ----------
        x : Tensor
            Which tensor.

        Returns
        -------
        Tensor of uint8 of shape (x.numel(),)
            Uniform draws.
        """
        # Eight from one 64-bit draw: drawing them one by one costs more than the layer.
        words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)
        return words.view(torch.uint8)[: x.numel()]


class StandardNormal(RandomLayer):
    """Standard normal noise in the shape of its input."""

    def forward(self, like: Tensor) -> Tensor:
        # Filled row by row, whatever the memory order of the input.
        noise = torch.empty(like.shape, dtype=like.dtype, device=like.device)
        return noise.normal_(generator=self.generator)


def set_generator(module: nn.Module, generator: torch.Generator | None) -> None:
    """Let all that is random in a module draw from one generator.

    Parameters
    ----------
    module : torch.nn.Module
        Whose layers are meant.
    generator : torch.Generator or None
        Source of randomness, on the device of the module; None for torch's global one.
    """
    for child in module.modules():
        if isinstance(child, RandomLayer):
            child.generator = generator


def generator_of(module: nn.Module) -> torch.Generator | None:
    """What all that is random in a module draws from, as `set_generator` set it.

    Parameters
    ----------
    module : torch.nn.Module
        Whose layers are meant.

    Returns
    -------
    torch.Generator or None
        None where nothing is random, or draws from torch's global generator.
    """
    layers = (child for child in module.modules() if isinstance(child, RandomLayer))
    return next((layer.generator for layer in layers), None)


def activation(x: Tensor) -> Tensor:
    """The activation of all conditioner networks."""
    return F.relu(x)

"""Where increasing functions have given values, by bisection."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# Halvings of an interval, after which no number is left between its ends.
_MAX_HALVINGS = 1100


def solve(function: Callable[[Tensor], Tensor], target: Tensor) -> Tensor:
    """Where an increasing function of each element reaches its target.

    Parameters
    ----------
    function : callable
        Takes a tensor of the shape of the targets, and returns one.
    target : Tensor
        Values that it has somewhere.

    Returns
    -------
    Tensor
        The smallest numbers at which it reaches them.
    """
    high = torch.ones_like(target)
    # Nothing lies beyond the largest numbers.
    while (short := (function(high) < target) & high.isfinite()).any():
        high = torch.where(short, 2 * high, high)
    low = -torch.ones_like(target)
    while (short := (function(low) > target) & low.isfinite()).any():
        low = torch.where(short, 2 * low, low)
    for _ in range(_MAX_HALVINGS):
        middle = (low + high) / 2
        if not ((low < middle) & (middle < high)).any():
            break
        below = function(middle) < target
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return high

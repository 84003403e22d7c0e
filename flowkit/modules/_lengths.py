"""Lengths of rows of counts: a mixture of log-normals, each cut into whole numbers."""

from __future__ import annotations

import torch
from torch import Tensor

# Where the cells of whole numbers end, in units of one more than a length.
_HALF = 0.5


def length_log_prob(lengths: Tensor, weights: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    """Log probability of each length; over 0, 1, 2, ... the probabilities sum to one.

    Parameters
    ----------
    lengths : Tensor of shape (n,)
        Whole numbers of at least 0.
    weights, means, deviations : Tensor of shape (n_components,)
        Of the normal distributions that the logarithm of one more than a length is a mixture of.

    Returns
    -------
    Tensor of shape (n,)
        Nats.
    """
    upper = ((lengths + 1 + _HALF).log()[:, None] - means) / deviations
    lower = ((lengths + 1 - _HALF).log()[:, None] - means) / deviations
    # Everything below belongs to the length zero.
    lower = torch.where(lengths[:, None] == 0, -torch.inf, lower)
    # In the upper tail both would round to one, so the cell is mirrored into the lower one.
    mirrored = lower > 0
    high = torch.special.log_ndtr(torch.where(mirrored, -lower, upper))
    low = torch.special.log_ndtr(torch.where(mirrored, -upper, lower))
    log_cell = high + torch.log(-torch.expm1(low - high))
    # Far out, where both are minus infinity, no component has any mass.
    log_cell = torch.where(log_cell.isnan(), -torch.inf, log_cell)
    return (log_cell + weights.log()).logsumexp(1)


def draw_lengths(
    n: int,
    weights: Tensor,
    means: Tensor,
    deviations: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draws of lengths, int64 of shape (n,), with the law of `length_log_prob`."""
    part = torch.multinomial(weights, n, replacement=True, generator=generator)
    noise = means.new_empty(n).normal_(generator=generator)
    drawn = (means[part] + deviations[part] * noise).exp() - 1
    return drawn.round().clamp_min(0).long()

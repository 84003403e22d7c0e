"""Kernels on training rows as nodes of a graph, without the kernel of a row on itself."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..priors.known_rows import TOLERANCE
from ._graph import Value

# Kernels so many nats below the highest are lost to rounding.
_NEGLIGIBLE = -60.0


def kernel_log_prob(flow, rows: Value, latent: Value) -> Value:
    """Log density of latents under all kernels but that on the row itself, of shape (n, 1).

    Parameters
    ----------
    flow : KernelFlow
        Whose kernels they are.
    rows : Value of shape (n, d)
        Rows as the flow sees them.
    latent : Value of shape (n, d)
        Their latents.
    """
    own, prior = _own(flow, rows), flow.prior
    with torch.no_grad():
        log_weights, centres, factors = prior.gaussians()
        narrow = factors[0, 0, 0]
        centres = centres * narrow
        heights = log_weights - 0.5 * centres.square().sum(1)
        log_norm = flow.n_features * (0.5 * math.log(2 * math.pi) - narrow.log())
    scaled = latent * narrow
    logs = own.where(-np.inf, scaled @ centres.t() + heights)
    highest = logs.max(1, keepdims=True)
    level = logs.graph.add("Max", highest, np.finfo(np.float64).min)
    shares = (logs - level).clipped(_NEGLIGIBLE, 0.0).exp()
    log_sum = shares.sum(1, keepdims=True).log() + highest
    share = own.where(log_weights.exp(), 0.0).sum(1, keepdims=True)
    return log_sum - 0.5 * scaled.square().sum(1, keepdims=True) - log_norm - (1.0 - share).log()


def _own(flow, rows):
    """Which kernel stands on each row itself, of shape (n, n_kernels)."""
    known = flow.known_rows
    known.remember(flow.rows)
    gaps = None
    for j in range(flow.n_features):
        gap = (rows.take([j]) - flow.rows[:, j]).abs()
        gaps = gap if gaps is None else rows.graph.add("Max", gaps, gap)
    # Of equal rows the first is meant.
    index = torch.arange(len(known.first), device=known.first.device)
    gaps = gaps + torch.where(known.first == index, 0.0, math.inf)
    nearest = rows.graph.add("ArgMin", gaps, axis=1, keepdims=1).equals(index)
    tolerance = TOLERANCE * rows.graph.add("Max", rows.abs().max(1, keepdims=True), 1.0)
    return nearest & (gaps < tolerance)

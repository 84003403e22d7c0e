"""Logarithms of sums of Gaussian kernels, the hot path of kernel estimates.

Matrices of kernels are written in place: fresh memory for each costs several times what the
arithmetic does. The sum over the other rows of a batch has its gradient by hand for that reason.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._once_differentiable import once_differentiable

# Kernels so many nats below the highest are lost to rounding, even thousands of them, while the
# denormal numbers that they lead to take ten times as long.
_NEGLIGIBLE = -60.0


def half_squares(z: Tensor) -> Tensor:
    """Half the squared length of each row, shape (n,)."""
    return 0.5 * z.square().sum(1)


def log_sums(logs: Tensor) -> Tensor:
    """Logarithm of the sum of exponentials in each row of a matrix, which is overwritten."""
    highest = logs.detach().amax(1, keepdim=True)
    # Where all are zero, infinities would cancel to NaN.
    level = highest.clamp_min(torch.finfo(logs.dtype).min)
    sums = logs.sub_(level).clamp_min_(_NEGLIGIBLE).exp_().sum(1)
    return sums.log() + highest[:, 0]


def log_sums_of_others(z: Tensor) -> Tensor:
    """Logarithm of the sum of the kernels of unit bandwidth on all other rows.

    Parameters
    ----------
    z : Tensor of shape (n, d)
        Rows, divided by the bandwidth.

    Returns
    -------
    Tensor of shape (n,)
        Nats, without the norm of the kernel.
    """
    return _SumsOfOthers.apply(z)


class _SumsOfOthers(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        half = half_squares(z)
        shares = torch.addmm(-half, z, z.t())
        # Rounding must lift no kernel above its peak.
        torch.minimum(shares, half[:, None], out=shares)
        shares.fill_diagonal_(-math.inf)
        highest = shares.amax(1, keepdim=True)
        sums = shares.sub_(highest).clamp_min_(_NEGLIGIBLE).exp_().sum(1, keepdim=True)
        ctx.save_for_backward(z, shares.div_(sums))
        return (sums.log() + highest)[:, 0] - half

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        z, shares = ctx.saved_tensors
        grad = grad[:, None]
        # Products of few rows with many columns: the other way round they take four times as long.
        mean = (z.t() @ shares.t()).t()
        pull = (torch.cat((grad * z, grad), 1).t() @ shares).t()
        return grad * (mean - z) + pull[:, :-1] - pull[:, -1:] * z

"""Log densities of rows under several Gaussians, of all columns or of those that are known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._compiled import is_plain
from .._once_differentiable import once_differentiable

# Numbers of matrices that are worked on at once.
_MAX_VALUES = 2**21


def full_log_prob(z: Tensor, means: Tensor, log_diagonal: Tensor, off_diagonal: Tensor) -> Tensor:
    """Log density of groups of columns under several Gaussians each.

    Parameters
    ----------
    z : Tensor of shape (n_groups, n, d)
        Rows of each group.
    means : Tensor of shape (n_groups, k, d)
        Means.
    log_diagonal : Tensor of shape (n_groups, k, d)
        Logarithms of the diagonals of P, where the precision matrices are ``P P^T``.
    off_diagonal : Tensor of shape (n_groups, k, d, d)
        P above its diagonal; the rest has no effect.

    Returns
    -------
    Tensor of shape (n_groups, n, k)
        Nats.
    """
    given = z, means, log_diagonal, off_diagonal
    if torch.is_grad_enabled() and is_plain():
        return _FullGaussians.apply(*given)
    return _full_log_prob(*given)[0]


def _full_log_prob(z, means, log_diagonal, off_diagonal):
    factors = off_diagonal.triu(1) + torch.diag_embed(log_diagonal.exp())
    (n_groups, k, d), n = means.shape, z.shape[1]
    flat = factors.transpose(1, 2).reshape(n_groups, d, k * d)
    shift = (means[..., None, :] @ factors).view(n_groups, 1, k, d)
    white = (z @ flat).view(n_groups, n, k, d) - shift
    log_norm = log_diagonal.sum(2) - 0.5 * d * math.log(2 * math.pi)
    return log_norm[:, None] - 0.5 * white.square().sum(3), white, factors, flat


class _FullGaussians(torch.autograd.Function):
    """`full_log_prob` in one step of autograd."""

    @staticmethod
    def forward(ctx, z, means, log_diagonal, off_diagonal):
        log_prob, *made = _full_log_prob(z, means, log_diagonal, off_diagonal)
        ctx.save_for_backward(z, means, *made)
        return log_prob

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        z, means, white, factors, flat = ctx.saved_tensors
        by_white = (white * -grad[..., None]).flatten(2)
        by_flat = (z.mT @ by_white).view(len(z), z.shape[2], *means.shape[1:])
        total = by_white.sum(1).view(means.shape)
        by_factors = by_flat.transpose(1, 2) - means[..., None] * total[..., None, :]
        diagonal = factors.diagonal(dim1=2, dim2=3)
        by_log = by_factors.diagonal(dim1=2, dim2=3) * diagonal + grad.sum(1)[..., None]
        by_means = -(factors @ total[..., None])[..., 0]
        by_z = by_white @ flat.mT if ctx.needs_input_grad[0] else None
        return by_z, by_means, by_log, by_factors.triu(1)


def known_log_prob(z: Tensor, known: Tensor, means: Tensor, factors: Tensor) -> Tensor:
    """Log density of the known columns of rows under several Gaussians.

    What is unknown has the precision of its block of the whole matrix, so that only matrices as
    large as the hole are factorised.

    Parameters
    ----------
    z : Tensor of shape (n, d)
        Rows; unknown values have no effect.
    known : Tensor of bool of shape (n, d)
        Which values are known.
    means : Tensor of shape (k, d)
        Means.
    factors : Tensor of shape (k, d, d)
        Upper triangular factors P of the precision matrices ``P P^T``.

    Returns
    -------
    Tensor of shape (n, k)
        Nats, 0 up to rounding where nothing is known.
    """
    precisions = factors @ factors.mT
    n_unknown = (~known).sum(1)
    parts, order = [], []
    # Rows with equally many holes have blocks of one size.
    for m in n_unknown.unique().tolist():
        rows = (n_unknown == m).nonzero()[:, 0]
        size = max(1, _MAX_VALUES // (len(means) * max(m * m, z.shape[1])))
        for some in rows.split(size):
            parts.append(_with_holes(z[some], known[some], m, means, precisions))
            order.append(some)
    log_volume = factors.diagonal(dim1=1, dim2=2).log().sum(1)
    if not parts:
        return z.new_zeros(0, len(means)) + log_volume
    return torch.cat(parts)[torch.cat(order).argsort()] + log_volume


def _with_holes(z, known, n_unknown, means, precisions):
    """Log densities without the volume of the whole matrices, all rows with as many holes."""
    difference = torch.where(known, z - means[:, None], 0.0)
    pull = difference @ precisions
    square = (difference * pull).sum(2)
    log_volume = 0.0
    if n_unknown:
        columns = (~known).nonzero()[:, 1].view(-1, n_unknown)
        root = torch.linalg.cholesky(precisions[:, columns[:, :, None], columns[:, None, :]])
        inside = pull.gather(2, columns.expand(len(means), -1, -1))[..., None]
        white = torch.linalg.solve_triangular(root, inside, upper=False)[..., 0]
        square = square - white.square().sum(2)
        log_volume = root.diagonal(dim1=2, dim2=3).log().sum(2)
    # Far off, where squares overflow, the difference of infinities would be NaN.
    square = torch.where(square.isnan(), math.inf, square)
    log_norm = 0.5 * math.log(2 * math.pi) * (z.shape[1] - n_unknown)
    return (-0.5 * square - log_volume - log_norm).t()


def known_diagonal_log_prob(
    z: Tensor, known: Tensor, means: Tensor, log_diagonal: Tensor
) -> Tensor:
    """Log density of the known columns of rows under Gaussians with diagonal covariances.

    Parameters
    ----------
    z : Tensor of shape (n, ..., d)
        Rows; unknown values have no effect.
    known : Tensor of bool of shape (n, ..., d)
        Which values are known.
    means, log_diagonal : Tensor of shape (..., k, d)
        Means, and logarithms of the inverse standard deviations.

    Returns
    -------
    Tensor of shape (n, ..., k)
        Nats, 0 where nothing is known.
    """
    white = (z[..., None, :] - means) * log_diagonal.exp()
    by_column = log_diagonal - 0.5 * math.log(2 * math.pi) - 0.5 * white.square()
    return torch.where(known[..., None, :], by_column, 0.0).sum(-1)

"""One unknown column of rows under several Gaussians, given what is known of the rows."""

from __future__ import annotations

import torch
from torch import Tensor


def comparable(log_joint: Tensor, log_weights: Tensor) -> Tensor:
    """Log joint densities (n, k) of components; their weights (k,) where no density is left."""
    lost = log_joint.isnan().any(1) | log_joint.isneginf().all(1)
    return torch.where(lost[:, None], log_weights, log_joint)


def given_columns(
    z: Tensor, known: Tensor, column: int, means: Tensor, factors: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of a column given the known ones, under each Gaussian.

    Parameters
    ----------
    z : Tensor of shape (n, d)
        Rows; unknown values have no effect.
    known : Tensor of bool of shape (n, d)
        Which values are known; none of the column.
    column : int
        Which.
    means : Tensor of shape (k, d)
        Means.
    factors : Tensor of shape (k, d, d)
        Factors P of the precision matrices ``P P^T``.

    Returns
    -------
    mean, deviation : Tensor of shape (n, k)
        Of the column.
    """
    mean, deviation = (z.new_empty(len(z), len(means)) for _ in range(2))
    precisions = factors @ factors.mT
    # Rows with the same holes share all matrices.
    masks, mask_of = torch.unique(known, dim=0, return_inverse=True)
    for i, mask in enumerate(masks):
        rows = mask_of == i
        unknown = (~mask).nonzero()[:, 0]
        root = torch.linalg.cholesky(precisions[:, unknown[:, None], unknown])
        unit = (unknown == column).to(z)[:, None].expand(len(means), -1, 1)
        # The column's row of the covariance matrix of what is unknown.
        covariance = torch.cholesky_solve(unit, root)
        deviation[rows] = covariance[:, unknown == column, 0].sqrt().t()
        slopes = -(covariance.mT @ precisions[:, unknown])[:, 0, mask]
        origin = means[:, column] - (slopes * means[:, mask]).sum(1)
        mean[rows] = torch.addmm(origin, z[rows][:, mask], slopes.t())
    return mean, deviation

"""A flow made linear in what is missing: a Gaussian mixture of that, row by row."""

from __future__ import annotations

import numpy as np
import torch

from ..modules import DensityModule, Evaluator, Flow
from ._conditionals import Conditional

# More Gaussians take longer to look at than the draws that they would save.
_MAX_GAUSSIANS = 64
# Step of the slopes, in standard deviations of what is missing.
_STEP = 1e-4
# Precision that is added, in precisions of the mixture that is improved, and in those of the flow.
_ADDED, _ROUNDING = 1e-12, 1e-12


def gaussians_of(module: DensityModule) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Log weights, means and factors of the precision matrices of the Gaussians behind a flow.

    Parameters
    ----------
    module : DensityModule
        A density.

    Returns
    -------
    tuple of ndarray, or None
        None where it is no flow onto a mixture of a few Gaussians.
    """
    found = module.prior.gaussians() if isinstance(module, Flow) else None
    if found is None or len(found[1]) > _MAX_GAUSSIANS:
        return None
    return tuple(part.detach().cpu().numpy() for part in found)


def linearised(
    evaluator: Evaluator, Z: np.ndarray, conditionals: list[tuple[np.ndarray, Conditional]]
) -> list[Conditional] | None:
    """Better mixtures of what is missing: those of the flow's tangent where these are centred.

    Of a linear flow onto a mixture of Gaussians they are the law of what is missing.

    Parameters
    ----------
    evaluator : Evaluator
        The density.
    Z : ndarray of shape (n, d)
        Rows, NaN where values are missing.
    conditionals : list of tuple of ndarray of int and Conditional
        Indices of rows and what a mixture says of what is missing from them.

    Returns
    -------
    list of Conditional, or None
        For the same rows; None where the density is no flow onto a mixture of a few Gaussians.
    """
    gaussians = gaussians_of(evaluator.module)
    if gaussians is None:
        return None
    places = [_around(Z[rows], conditional) for rows, conditional in conditionals]
    mapped = evaluator.map(_latent_and_log_det(evaluator.module), np.concatenate([p[2] for p in places]))
    ends = np.cumsum([len(p[2]) for p in places])[:-1]
    return [
        _tangent(conditional, centre, width, part.reshape(len(centre), -1, part.shape[1]), gaussians)
        for (_, conditional), (centre, width, _), part in zip(
            conditionals, places, np.split(mapped, ends), strict=True
        )
    ]


def _latent_and_log_det(module):
    def both(x):
        z, log_det = module.bijection(x)
        return torch.cat([z, log_det[:, None]], 1)

    return both


def _around(Z, conditional):
    """Centres and widths of the likeliest component, and rows there and a step along each column."""
    top, each = conditional.log_joint.argmax(0), np.arange(len(Z))
    centre = conditional.mean[top, each]
    width = np.sqrt((conditional.spread[top, each] ** 2).sum(1))
    m = centre.shape[1]
    steps = np.concatenate([np.zeros((1, m)), _STEP * np.eye(m)])
    values = centre[:, None] + steps * width[:, None]
    rows = np.repeat(Z[:, None], m + 1, 1)
    np.put_along_axis(rows, np.broadcast_to(conditional.columns[:, None], values.shape), values, 2)
    return centre, width, rows.reshape(-1, Z.shape[1])


def _tangent(conditional, centre, width, mapped, gaussians):
    """The mixture that the flow's tangent and the Gaussians behind it make of what is missing."""
    log_weights, means, factors = gaussians
    precision = 1 / width**2
    with np.errstate(over="ignore", invalid="ignore"):
        slopes = (mapped[:, 1:] - mapped[:, :1]) / (_STEP * width[..., None])
        bent = slopes[..., :-1] @ factors[:, None]
        off = (means[:, None] - mapped[:, 0, :-1]) @ factors
        pull = (bent @ off[..., None])[..., 0] + slopes[..., -1]
        inverse = bent @ bent.swapaxes(2, 3)
        square = (off**2).sum(2)
    pull = np.broadcast_to(pull, (len(means), *centre.shape))
    inverse = np.broadcast_to(inverse, (len(means), *inverse.shape[1:]))
    # Far off, where numbers overflow, the mixture that was is not improved.
    finite = np.isfinite(inverse).all((2, 3)) & np.isfinite(pull).all(2) & np.isfinite(square)
    usual = precision[:, :, None] * np.eye(centre.shape[1])
    size = np.trace(inverse, axis1=2, axis2=3)[..., None, None]
    inverse = inverse + _ADDED * usual + _ROUNDING * size * np.eye(centre.shape[1])
    inverse = np.where(finite[..., None, None], inverse, usual)
    pull = np.where(finite[..., None], pull, 0.0)
    root = np.linalg.cholesky(inverse)
    spread = np.linalg.inv(root)
    half = (spread @ pull[..., None])[..., 0]
    log_volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)
    log_joint = (log_weights + log_volume)[:, None] - 0.5 * np.where(finite, square, 0.0)
    log_joint = log_joint + 0.5 * (half**2).sum(2)
    log_joint -= np.log(np.diagonal(root, axis1=2, axis2=3)).sum(2)
    mean = centre + (spread.swapaxes(2, 3) @ half[..., None])[..., 0]
    return Conditional(conditional.columns, log_joint, mean, root, spread, np.exp(log_weights))

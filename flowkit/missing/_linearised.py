"""A flow made linear in what is missing: a Gaussian mixture of that, row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import helmert

from ..modules import DensityModule, Evaluator, Flow
from ._conditionals import Conditional

# More Gaussians take longer to look at than the draws that they would save.
_MAX_GAUSSIANS = 64
# How often the flow is made linear, each time where the mixture before it says.
_N_ROUNDS = 2
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
    """Better mixtures of what is missing: the Gaussians seen through the flow made linear there.

    The linear map takes the values of the flow at the corners of a simplex, as far from the centre
    of the likeliest component as its draws are. So it says how the flow goes where draws lie, and
    not how steep it is in one place. Of a linear flow onto a mixture of Gaussians the mixtures are
    the law of what is missing.

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

    References
    ----------
    Julier, "The spherical simplex unscented transformation", ACC 2003.
    """
    gaussians = gaussians_of(evaluator.module)
    if gaussians is None:
        return None
    groups, better = [rows for rows, _ in conditionals], [each for _, each in conditionals]
    simplices = [_simplex(each.columns.shape[1]) for each in better]
    for _ in range(_N_ROUNDS):
        centres = [_Centre.of(each) for each in better]
        given = zip(groups, centres, simplices, strict=True)
        around = [centre.corners(Z[rows], simplex) for rows, centre, simplex in given]
        mapped = evaluator.map(_latent_and_log_det(evaluator.module), np.concatenate(around))
        parts = np.split(mapped, np.cumsum([len(each) for each in around])[:-1])
        given = zip(centres, parts, simplices, strict=True)
        better = [c.seen_through(part, simplex, gaussians) for c, part, simplex in given]
    return better


def _latent_and_log_det(module):
    def both(x):
        z, log_det = module.bijection(x)
        return torch.cat([z, log_det[:, None]], 1)

    return both


def _simplex(m):
    """Corners of a regular simplex, (m + 1, m), of mean zero and covariance one."""
    return helmert(m + 1).T * np.sqrt(m + 1)


@dataclass(frozen=True)
class _Centre:
    """The likeliest component of the mixture of what is missing from n rows, m values each.

    Parameters
    ----------
    columns : ndarray of int of shape (n, m)
        Which columns.
    mean : ndarray of shape (n, m)
        Its mean.
    root, spread : ndarray of shape (n, m, m)
        Factors of its precision, and their inverses.
    """

    columns: np.ndarray
    mean: np.ndarray
    root: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, conditional):
        """That of a mixture."""
        top = conditional.log_joint.argmax(0), np.arange(len(conditional.columns))
        parts = conditional.mean, conditional.root, conditional.spread
        return cls(conditional.columns, *(part[top] for part in parts))

    def corners(self, Z, simplex):
        """Rows with what is missing at the corners of a simplex, (n * (m + 1), d)."""
        values = self.mean[:, None] + simplex @ self.spread
        rows = np.repeat(Z[:, None], len(simplex), 1)
        np.put_along_axis(rows, np.broadcast_to(self.columns[:, None], values.shape), values, 2)
        return rows.reshape(-1, Z.shape[1])

    def seen_through(self, mapped, simplex, gaussians):
        """The mixture that Gaussians make of what is missing, by what the flow makes of corners."""
        log_weights, means, factors = gaussians
        n, m = self.mean.shape
        mapped = mapped.reshape(n, m + 1, -1)
        # In units of the component: its mean is zero, its covariance one.
        with np.errstate(over="ignore", invalid="ignore"):
            middle = mapped[..., :-1].mean(1)
            slopes = simplex.T @ mapped / (m + 1)
            bent = slopes[..., :-1] @ factors[:, None]
            off = (means[:, None] - middle) @ factors
            pull = (bent @ off[..., None])[..., 0] + slopes[..., -1]
            inverse = bent @ bent.swapaxes(2, 3)
            square = (off**2).sum(2)
        finite = np.isfinite(inverse).all((2, 3)) & np.isfinite(pull).all(2) & np.isfinite(square)
        size = np.trace(inverse, axis1=2, axis2=3)[..., None, None]
        inverse = inverse + (_ADDED + _ROUNDING * size) * np.eye(m)
        if not finite.all():
            # Far off, where numbers overflow, the component that was is not improved.
            inverse = np.where(finite[..., None, None], inverse, np.eye(m))
            pull = np.where(finite[..., None], pull, 0.0)
            square = np.where(finite, square, 0.0)
        root = np.linalg.cholesky(inverse)
        spread = np.linalg.inv(root)
        half = (spread @ pull[..., None])[..., 0]
        log_volume = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)
        log_joint = (log_weights + log_volume)[:, None] - 0.5 * square
        log_joint = log_joint + 0.5 * (half**2).sum(2)
        log_joint -= np.log(np.diagonal(root, axis1=2, axis2=3)).sum(2)
        step = spread.swapaxes(2, 3) @ half[..., None]
        mean = self.mean + (step.swapaxes(2, 3) @ self.spread)[..., 0, :]
        # Gaussians such as those of kernels may share their precision.
        shape = (*log_joint.shape, m, m)
        root = np.broadcast_to(self.root @ root, shape)
        spread = np.broadcast_to(spread @ self.spread, shape)
        return Conditional(self.columns, log_joint, mean, root, spread, np.exp(log_weights))

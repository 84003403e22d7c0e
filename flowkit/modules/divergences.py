"""How far a posterior lies from a hierarchical prior, in closed form and from a draw."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..priors import HierarchicalNormal
from .posterior import Posterior, standard_normal


def divergence_by_order(posterior: Posterior, prior: HierarchicalNormal) -> Tensor:
    """Kullback-Leibler divergence of each order given those below, without flows.

    Parameters
    ----------
    posterior : Posterior
        Of n rows.
    prior : HierarchicalNormal
        Density of the latent.

    Returns
    -------
    Tensor of shape (n, degree)
        Nats; rows sum to the divergence of posterior from prior.
    """
    whitening = prior.whitening()
    spread = (whitening @ posterior.mixing).square()
    squares = (posterior.mean @ whitening.t()).square()
    squares = squares + (2 * posterior.log_deviation).exp() @ spread.t()
    by_column = 0.5 * (squares - 1) + prior.log_scales() - posterior.log_deviation
    return by_column.unflatten(1, (prior.degree, -1)).sum(2)


def log_ratio_moments(posterior: Posterior, prior: HierarchicalNormal) -> Tensor:
    """Moments of the log-ratio of posterior and prior under the posterior, without flows.

    Parameters
    ----------
    posterior : Posterior
        Of n rows.
    prior : HierarchicalNormal
        Density of the latent.

    Returns
    -------
    Tensor of shape (n, degree)
        Moments 1 to `degree`.
    """
    # The log-ratio is c + b'e + e'Ce of the noise e: its cumulants are known in closed form.
    whitening = prior.whitening()
    centre = posterior.mean @ whitening.t()
    root = (whitening @ posterior.mixing) * posterior.log_deviation.exp()[:, None, :]
    eye = torch.eye(root.shape[1], dtype=root.dtype, device=root.device)
    square = 0.5 * (root.mT @ root - eye)
    linear = (root.mT @ centre[:, :, None])[:, :, 0]
    constant = (prior.log_scales() - posterior.log_deviation).sum(1)
    constant = constant + 0.5 * centre.square().sum(1)
    power, image = square, linear
    cumulants = [constant + _trace(square)]
    for m in range(2, prior.degree + 1):
        power = power @ square
        mixed = _trace(power) + m / 4 * (linear * image).sum(1)
        cumulants.append(2 ** (m - 1) * math.factorial(m - 1) * mixed)
        image = (square @ image[:, :, None])[:, :, 0]
    moments = [torch.ones_like(constant)]
    for m in range(1, prior.degree + 1):
        moments.append(
            sum(math.comb(m - 1, i) * cumulants[i] * moments[m - 1 - i] for i in range(m))
        )
    return torch.stack(moments[1:], 1)


def sampled_divergences(
    posterior: Posterior,
    prior: HierarchicalNormal,
    z: Tensor,
    noise: Tensor,
    log_det: Tensor,
) -> Tensor:
    """Log-ratio of posterior and prior at one draw, by order, and what flows add to it.

    Parameters
    ----------
    posterior : Posterior
        Of n rows.
    prior : HierarchicalNormal
        Density of the latent, or of what the prior flow makes of it.
    z, noise : Tensor of shape (n, n_latent)
        A latent of each row, after both flows, and the noise that led to it.
    log_det : Tensor of shape (n,)
        Log-determinant of both flows there.

    Returns
    -------
    Tensor of shape (n, degree + 1)
        Nats; the last column is the share of the flows. Only the sum of a row means anything.
    """
    by_column = standard_normal(noise) - posterior.log_deviation
    by_order = by_column.unflatten(1, (prior.degree, -1)).sum(2)
    return torch.cat((by_order - prior.log_prob_by_order(z), -log_det[:, None]), 1)


def _trace(matrices: Tensor) -> Tensor:
    return matrices.diagonal(dim1=1, dim2=2).sum(1)

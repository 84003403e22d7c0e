"""Importance weights: the density of rows from draws of their latents."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from ._base import DensityModule
from .posterior import Posterior, standard_normal

# How much wider than the posterior defensive draws are.
_WIDTH = 2.0
# Rows, and values of rows, that go through the decoder at once.
_MAX_DECODED, _MAX_VALUES = 4096, 2**20


def even_noise(n_samples: int, n_columns: int, seed: int) -> Tensor:
    """Standard normal draws that are evenly spread, the same for the same seed.

    Parameters
    ----------
    n_samples, n_columns : int
        Shape of the draws.
    seed : int
        Scrambles the points of Sobol that the draws are made of.

    Returns
    -------
    Tensor of shape (n_samples, n_columns)
        Float64.
    """
    engine = SobolEngine(n_columns, scramble=True, seed=seed)
    uniform = engine.draw(n_samples, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    return torch.special.ndtri(uniform)


def log_weights(module: DensityModule, x: Tensor, noise: Tensor, defensive: bool = False) -> Tensor:
    """Log density of rows and draws of the latent, less that of the draws.

    Parameters
    ----------
    module : DensityModule
        With a posterior, a prior, a likelihood and its outputs, as `PolynomialVAE` has them.
    x, noise, defensive
        As in `PolynomialVAE.log_weights`.

    Returns
    -------
    Tensor of shape (n, n_samples)
        Nats; their exponentials have the density of the row as mean.
    """
    posterior = module.posterior(x)
    n_other = len(noise) // 4 if defensive else 0
    own, wide, prior = noise.split((len(noise) - 2 * n_other, n_other, n_other))
    shares = [len(part) / len(noise) for part in (own, wide, prior)] if defensive else None
    n_rows = min(_MAX_DECODED, _MAX_VALUES // x.shape[1])
    size = max(1, n_rows // max(1, len(x)))
    # Wide draws follow the posterior's own formula, from noise of twice the size.
    blocks = [
        _log_weights(module, x, posterior, _from_noise, part, shares)
        for part in torch.cat((own, _WIDTH * wide)).split(size)
    ]
    if n_other:
        blocks += [
            _log_weights(module, x, posterior, _from_latents, part, shares)
            for part in module.latents_of(prior).split(size)
        ]
    return torch.cat(blocks, 1)


def log_mean_and_error(log_weights: Tensor) -> Tensor:
    """Logarithm of the mean of weights, and its standard error to first order.

    Parameters
    ----------
    log_weights : Tensor of shape (n, n_samples)
        Logarithms of the weights.

    Returns
    -------
    Tensor of shape (n, 2)
        Logarithm of the mean, and its error, which is infinite for a single draw.
    """
    n = log_weights.shape[1]
    log_mean = log_mean_of(log_weights)
    # Outside the support all weights are zero, without doubt.
    share = torch.softmax(log_weights, 1).nan_to_num(1 / n)
    error = share.std(1) * math.sqrt(n) if n > 1 else torch.full_like(log_mean, math.inf)
    return torch.stack((log_mean, error), 1)


def log_mean_of(log_weights: Tensor) -> Tensor:
    """Logarithm of the mean of weights (n, n_samples), shape (n,)."""
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


# What a draw gives: latents, the noise that leads to them, the log-determinant of the flow.
_Drawn = tuple[Tensor, Tensor, Tensor]


def _from_noise(posterior: Posterior, noise: Tensor) -> _Drawn:
    z, log_det = posterior.draw(noise)
    return z, noise, log_det


def _from_latents(posterior: Posterior, z: Tensor) -> _Drawn:
    return z, *posterior.noise_of(z)


def _log_weights(
    module: DensityModule,
    x: Tensor,
    posterior: Posterior,
    drawn: Callable[[Posterior, Tensor], _Drawn],
    draws: Tensor,
    shares: list[float] | None,
) -> Tensor:
    """Log weights of each row with each draw, given as noise or as latent."""
    repeated = posterior.repeated(len(draws))
    z, noise, log_det = drawn(repeated, draws.repeat(len(x), 1))
    rows = x.repeat_interleave(len(draws), 0)
    log_prior = module.prior.log_prob(z)
    volume = repeated.log_volume(log_det)
    log_draw = standard_normal(noise).sum(1) - volume
    if shares is not None:
        shift = volume + noise.shape[1] * math.log(_WIDTH)
        log_wide = standard_normal(noise / _WIDTH).sum(1) - shift
        mixture = torch.stack((log_draw, log_wide, log_prior), 1)
        log_draw = torch.logsumexp(mixture + mixture.new_tensor(shares).log(), 1)
    log_joint = module.likelihood.log_prob(rows, module.outputs(z)) + log_prior
    return (log_joint - log_draw).view(len(x), -1)

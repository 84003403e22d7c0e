"""Priors as nodes of a graph: log densities of latents."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..priors import GaussianMixture, Laplace, Normal, StudentT, Topic
from ._gaussian_nodes import half_squares
from ._graph import Value
from ._rules import Rules

# Each rule is given the prior and latents (n, d), and returns log densities (n, 1).
RULES = Rules("a prior")


def _standardised(prior, z: Value):
    """Standardised columns, and the log density of each that its scale takes away."""
    # The scale has no name of its own among what all priors show.
    with torch.no_grad():
        scale = prior._scales()
    return (z - prior.location) / scale, scale.log().sum()


@RULES.of(Normal)
def _normal(prior, z):
    u, log_scale = _standardised(prior, z)
    log_norm = 0.5 * prior.n_features * math.log(2 * math.pi) + log_scale
    return -0.5 * u.square().sum(1, keepdims=True) - log_norm


@RULES.of(Laplace)
def _laplace(prior, z):
    u, log_scale = _standardised(prior, z)
    return -u.abs().sum(1, keepdims=True) - (prior.n_features * math.log(2) + log_scale)


@RULES.of(StudentT)
def _student_t(prior, z):
    u, log_scale = _standardised(prior, z)
    with torch.no_grad():
        nu = prior.degrees_of_freedom
        constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * torch.log(nu * math.pi)
        constant = constant.sum() - log_scale
    logs = (u.square() / nu + 1.0).log() * ((nu + 1) / 2)
    return -logs.sum(1, keepdims=True) + constant


@RULES.of(GaussianMixture)
def _mixture(prior, z):
    with torch.no_grad():
        log_weights, means, factors = prior.gaussians()
    logs = log_weights + _log_norms(factors) - half_squares(z, means, factors)
    return logs.logsumexp(1).reshaped(-1, 1)


@RULES.of(Topic)
def _topic(prior, z):
    with torch.no_grad():
        log_weights = prior._log_weights()
        parts = [prior._gaussians_of(n) for n in range(len(prior.groups))]
    total = z.graph.value(log_weights[None])
    for group, (means, factors) in zip(prior.groups, parts, strict=True):
        logs = _log_norms(factors) - half_squares(z.take(group), means, factors)
        if prior.one_hot:
            total = total + logs
            continue
        # Far off, where squares overflow, differences of infinities would be no numbers.
        highest = logs.max(1, keepdims=True).maximum(np.finfo(np.float64).min)
        total = total + ((logs - highest).exp() @ prior.theta.double().t()).log() + highest
    return total.logsumexp(1).reshaped(-1, 1)


def _log_norms(factors):
    """Log densities of Gaussians at their means."""
    factors = factors.detach()
    d = factors.shape[-1]
    return factors.diagonal(dim1=1, dim2=2).log().sum(1) - 0.5 * d * math.log(2 * math.pi)

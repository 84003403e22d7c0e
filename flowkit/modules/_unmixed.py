"""Flows whose columns are mixed by linear maps alone, as flows that mix no columns."""

from __future__ import annotations

from itertools import dropwhile, takewhile

import torch
from torch import Tensor

from ..bijections import Bijection, Compose, ElementwiseAffine
from ..priors import GaussianMixture, Prior

# Numbers in the matrices of a mixture; more fill the memory.
_MAX_VALUES = 2**27


def unmixed_parts(bijection: Bijection, prior: Prior) -> tuple[Bijection, Prior] | None:
    """A map of single columns and a prior of the same density.

    Parameters
    ----------
    bijection : Bijection
        Map from data to latent, without context.
    prior : Prior
        Density of the latent.

    Returns
    -------
    tuple of Bijection and Prior, or None
        Where the map takes each column by itself, it and its prior. Where linear maps come last and
        the prior is a mixture of Gaussians, what comes before them, and the mixture seen from
        there. None otherwise.
    """
    if bijection.n_context:
        return None
    steps = list(_steps(bijection))
    elementwise = list(takewhile(lambda step: step.is_elementwise, steps))
    linear = list(dropwhile(lambda step: step.is_elementwise, steps))
    if not linear:
        return bijection, prior
    gaussians = prior.gaussians()
    if gaussians is None or not all(step.is_linear for step in linear):
        return None
    d = bijection.n_features
    if len(gaussians[1]) * d * d > _MAX_VALUES:
        return None
    mixture = _before(Compose(linear), *gaussians)
    # The map alone may be empty.
    identity = ElementwiseAffine(d).to(mixture.means)
    return Compose(elementwise or [identity]), mixture


def _steps(bijection):
    if not isinstance(bijection, Compose):
        yield bijection
        return
    for part in bijection.bijections:
        yield from _steps(part)


@torch.no_grad()
def _before(linear: Bijection, log_weights: Tensor, means: Tensor, factors: Tensor):
    """The mixture of rows that a linear map takes to a mixture of Gaussians."""
    d = linear.n_features
    ends = torch.cat([means.new_zeros(1, d), torch.eye(d).to(means)])
    mapped = linear(ends)[0]
    matrix_t = mapped[1:] - mapped[0]
    return GaussianMixture.of(log_weights, linear.inverse(means)[0], _upper(matrix_t @ factors))


def _upper(factors):
    """Upper triangular P of positive diagonal with the same ``P P^T``."""
    triangular = torch.linalg.qr(factors.flip(1).mT, mode="r")[1].mT.flip(1, 2)
    return triangular * triangular.diagonal(dim1=1, dim2=2).sign()[:, None]

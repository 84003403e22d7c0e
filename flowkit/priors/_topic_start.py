"""Expectation maximisation of topics, annealed: how a `Topic` prior is initialised from data."""

from __future__ import annotations

import torch
from torch import Tensor

# Variance added to every direction, for rows of about unit scale.
_REGULARISATION = 1e-4
# A topic's covariances count so many rows, for each column of the group, of the pooled ones.
_POOLED_ROWS = 1.0
_NEWTON_STEPS = 5
_MIN_SHARE = 1e-6
# A step of alpha changes it by no more than this factor.
_MAX_RATIO = 3.0
ALPHA_RANGE = (1e-2, 1e4)


@torch.no_grad()
def annealed_start(
    prior,
    z: Tensor,
    responsibilities: Tensor,
    alpha,
    weight,
    n_iterations,
    regularisation=1.0,
    keeps=False,
) -> None:
    """Initialise a prior at given topics of groups, then fit it to the rows.

    In many columns the densities of topics differ so much that each group would keep the topic
    that it began with. The first half of the iterations therefore tempers them, from the density
    of one column a group to that of all.

    With `keeps`, all iterations take the given topics for those of the rows, and climb the joint
    log density of rows and topics.
    """
    words = z[:, prior.index] * prior.present
    share = torch.ones(len(z), 1, 1).to(z) if weight is None else weight[:, None, None]
    share = share / share[share > 0].mean()

    def moments(weight, pooled):
        return _moments(prior, words, weight, pooled, regularisation)

    pooled = moments(share.expand(-1, len(prior.groups), 1), None)[1]
    prior._take(alpha.clamp(*ALPHA_RANGE), *moments(share * responsibilities, pooled))
    # A mixture of full matrices knows better which rows are its own than its tempered self.
    tempered = len(prior.groups) > 1 or prior.covariance == "diag"
    width = prior.present.sum(1).mean().item() if tempered else 1.0
    for i in range(n_iterations):
        temperature = max(1.0, width ** (1 - 2 * i / n_iterations))
        log_topic = prior.topic_log_prob(z) / temperature
        posterior, found = prior._posteriors(log_topic)
        responsibilities = responsibilities if keeps else found
        alpha = _concentration(prior, (share[:, 0] * posterior).sum(0) / share.sum())
        prior._take(alpha, *moments(share * responsibilities, pooled))


def _moments(
    prior, words: Tensor, weight: Tensor, pooled: Tensor | None, regularisation: float
) -> tuple[Tensor, Tensor]:
    """Means and covariances of the groups under each topic, drawn towards pooled covariances."""
    least = regularisation * _REGULARISATION
    total = weight.sum(0)
    by_topic = weight.permute(1, 2, 0)
    centred = words.transpose(0, 1)
    means = (by_topic @ centred) / total[..., None].clamp_min(1e-12)
    if prior.covariance == "full":
        deviations = centred[:, None] - means[:, :, None]
        scatter = (deviations * by_topic[..., None]).transpose(2, 3) @ deviations
        floor = torch.diag_embed(least * prior.present)[:, None]
        total = total[..., None]
    else:
        # Rows of about unit scale leave the difference of moments digits enough.
        scatter = (by_topic @ centred.square() - total[..., None] * means.square()).clamp_min(0)
        floor = least * prior.present[:, None]
    total = total[..., None]
    if pooled is None:
        return means, scatter / total + floor
    n_pooled = (
        regularisation * _POOLED_ROWS * prior.present.sum(1).view(-1, *[1] * (scatter.ndim - 1))
    )
    return means, (scatter + n_pooled * pooled) / (total + n_pooled) + floor


def _concentration(prior, posterior: Tensor) -> Tensor:
    """Alpha of the largest likelihood for a mean posterior of the nodes."""
    if prior.one_hot:
        # The shares of the topics, of which none may vanish.
        return posterior.clamp_min(_MIN_SHARE)
    # A few numbers, worth double precision.
    alpha, posterior = prior.alpha.double(), posterior.double()
    log_theta, log_proposal = prior.log_theta.double(), prior.log_proposal.double()
    for _ in range(_NEWTON_STEPS):
        weights = (log_theta @ alpha - log_proposal).softmax(0)
        centred = log_theta - weights @ log_theta
        # The weights are an exponential family in alpha: gradient and curvature are moments.
        gradient = posterior @ centred
        curvature = centred.t() @ (weights[:, None] * centred)
        ridge = 1e-6 * torch.eye(len(alpha)).to(alpha) * (1 + curvature.diagonal().mean())
        step = torch.linalg.solve(curvature + ridge, gradient)
        alpha = torch.clamp(alpha + step, alpha / _MAX_RATIO, alpha * _MAX_RATIO)
        alpha = alpha.clamp(*ALPHA_RANGE)
    return alpha

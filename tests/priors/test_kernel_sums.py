"""Sums of kernels, against loops over differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from flowkit.priors import Kernel


def centres(n, d, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def exact_scores(prior, rows, left_out):
    """With differences rather than products, row by row."""
    bandwidth = prior._scored_log_bandwidth().exp().item()
    places, shares = prior.centres.numpy(), (prior.weights / prior.weights.sum()).numpy()
    norm = np.log(bandwidth) + 0.5 * np.log(2 * np.pi)
    scores = []
    for row, without in zip(rows.numpy(), left_out, strict=True):
        kept = np.ones(len(places), dtype=bool)
        kept[list(without)] = False
        logs = -0.5 * (((row - places[kept]) / bandwidth) ** 2).sum(1)
        logs = logs + np.log(shares[kept] / shares[kept].sum())
        scores.append(logsumexp(logs) - places.shape[1] * norm)
    return np.array(scores)


@pytest.mark.parametrize("factor", [0.1, 1.0])
@pytest.mark.parametrize("d", [1, 3, 20])
@torch.no_grad()
def test_scores_agree_with_loops_on_centres_and_far_off(d, factor, monkeypatch):
    monkeypatch.setattr(Kernel, "_MAX_KERNELS", 7 * 60)
    places = centres(60, d)
    prior = Kernel(d, 60, bandwidth_factor=factor).double()
    prior.start(places, torch.from_numpy(np.random.default_rng(1).uniform(0.1, 3.0, 60)))
    new = torch.cat([scale * centres(30, d, seed=1) for scale in (1.0, 1e2, 1e5)])
    rows = torch.cat([places, new])
    own = [{i} for i in range(60)] + [set()] * 90
    own_index = torch.cat([torch.arange(60), torch.full((90,), -1)])
    np.testing.assert_allclose(
        prior.log_prob(rows).numpy(), exact_scores(prior, rows, own), rtol=1e-10, atol=1e-10
    )
    # One kernel more, which for some rows is their own, for others none.
    also = np.random.default_rng(2).integers(-1, 60, 150)
    also[:20] = np.arange(20)
    left_out = [one | ({k} if k >= 0 else set()) for one, k in zip(own, also, strict=True)]
    np.testing.assert_allclose(
        prior.log_prob_without(rows, own_index, torch.from_numpy(also)).numpy(),
        exact_scores(prior, rows, left_out),
        rtol=1e-10,
        atol=1e-10,
    )
    # Sums depend on the neighbours in their last digits alone.
    alone = torch.cat([prior.log_prob(row[None]) for row in rows])
    torch.testing.assert_close(prior.log_prob(rows), alone, rtol=1e-13, atol=1e-11)


def test_gradients_are_the_numerical_ones():
    prior = Kernel(3, 20, bandwidth_factor=0.5).double()
    prior.start(centres(20, 3))
    z = torch.cat([centres(6, 3, seed=1), 50 + centres(2, 3, seed=2)]).requires_grad_()
    assert torch.autograd.gradcheck(prior.log_prob, z)
    assert torch.autograd.gradcheck(prior.leave_one_out, z)
    prior.leave_one_out(z).sum().backward()
    slope, step = prior.log_ratio.grad.item(), 1e-6
    with torch.no_grad():
        prior.log_ratio += step
        above = prior.leave_one_out(z).sum().item()
        prior.log_ratio -= 2 * step
        below = prior.leave_one_out(z).sum().item()
    assert slope == pytest.approx((above - below) / (2 * step), rel=1e-6)

"""Likelihoods of a decoder: they sum to one, and are drawn from as they are scored."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from flowkit import modules as m
from flowkit import priors as p
from flowkit.exceptions import InvalidParameterError

from ..nets.examples import seeded
from ..tensors import perturbed

LIKELIHOODS = {
    "normal": lambda d: m.LocationScaleLikelihood(p.Normal(d)),
    "normal_predicted": lambda d: m.LocationScaleLikelihood(p.Normal(d), "predicted"),
    "normal_fixed": lambda d: m.LocationScaleLikelihood(p.Normal(d), 0.4),
    "student_t": lambda d: m.LocationScaleLikelihood(p.StudentT(d)),
    "discretized_logistic": m.DiscretizedLogisticLikelihood,
    "discretized_logistic_predicted": lambda d: m.DiscretizedLogisticLikelihood(d, "predicted"),
    "bernoulli": m.BernoulliLikelihood,
}
every_likelihood = pytest.mark.parametrize("name", LIKELIHOODS)


def likelihood_and_outputs(name, d=1, n=1, seed=0):
    likelihood = perturbed(LIKELIHOODS[name](d))
    outputs = torch.randn(n, likelihood.n_outputs * d, generator=seeded(seed), dtype=torch.float64)
    return likelihood, outputs


@torch.no_grad()
@every_likelihood
@pytest.mark.parametrize("seed", range(3))
def test_likelihood_sums_to_one_and_has_the_mean_that_it_says(name, seed):
    likelihood, outputs = likelihood_and_outputs(name, seed=seed)
    if name == "bernoulli":
        x, cell = torch.tensor([0.0, 1.0]), 1.0
    elif name.startswith("discretized"):
        x, cell = torch.arange(256.0) / 255, 1 / 255
    else:
        x, cell = torch.sinh(torch.linspace(-12, 12, 200_001, dtype=torch.float64)), None
    density = likelihood.log_prob(x.double()[:, None], outputs.expand(len(x), -1)).exp()

    def total(values):
        return torch.trapezoid(values, x) if cell is None else (values * cell).sum()

    assert total(density).item() == pytest.approx(1.0, abs=1e-6)
    if name != "student_t":
        mean = likelihood.mean(outputs).item()
        assert total(density * x).item() == pytest.approx(mean, abs=1e-4)


@torch.no_grad()
@every_likelihood
def test_draws_follow_the_likelihood(name):
    likelihood, outputs = likelihood_and_outputs(name)
    draws = likelihood.sample(outputs.expand(20_000, -1), seeded())[:, 0]
    if name == "bernoulli" or name.startswith("discretized"):
        values, counts = draws.unique(return_counts=True)
        cell = 1.0 if name == "bernoulli" else 1 / 255
        density = likelihood.log_prob(values[:, None], outputs.expand(len(values), -1))
        mass = density.exp() * cell
        error = (mass * (1 - mass) / 20_000).sqrt()
        assert ((counts / 20_000 - mass).abs() < 5 * error + 1e-9).all()
        return

    def density(x):
        return likelihood.log_prob(torch.tensor([[x]], dtype=torch.float64), outputs).exp().item()

    for quantile in (0.1, 0.5, 0.9):
        x = draws.quantile(quantile).item()
        below = integrate.quad(density, -200, x, points=[x - 1], limit=500)[0]
        assert below == pytest.approx(quantile, abs=0.015)


@torch.no_grad()
def test_discretized_logistic_is_zero_off_its_cells_and_flat_on_them():
    likelihood, outputs = likelihood_and_outputs("discretized_logistic")
    x = torch.tensor([-0.6, -0.4, 0.0, 0.4, 100.3, 99.8, 255.4, 255.6]).double()[:, None] / 255
    density = likelihood.log_prob(x, outputs.expand(8, -1))
    assert density[0] == density[7] == -math.inf
    assert density[1] == density[2] == density[3]
    assert density[4] == density[5]
    assert torch.isfinite(density[1:7]).all()
    # Far from the grey levels, log densities stay finite.
    far = likelihood.log_prob(x[1:7], torch.full((6, 1), 50.0, dtype=torch.float64))
    assert torch.isfinite(far).all()


@torch.no_grad()
def test_bernoulli_is_that_of_scipy_and_zero_off_zero_and_one():
    likelihood = m.BernoulliLikelihood(1)
    outputs = torch.tensor([[0.7], [0.7], [0.7]])
    got = likelihood.log_prob(torch.tensor([[0.0], [1.0], [0.5]]), outputs)
    expected = stats.bernoulli(1 / (1 + math.exp(-0.7))).logpmf([0, 1])
    np.testing.assert_allclose(got[:2], expected, rtol=1e-5)
    assert got[2] == -math.inf


@pytest.mark.parametrize("scale", ["learnt", 0.0, 1e9])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(InvalidParameterError, match="scale must"):
        m.LocationScaleLikelihood(p.Normal(2), scale)

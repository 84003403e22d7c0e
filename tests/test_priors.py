"""Priors: normalised, and sampled as they are scored."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture as SklearnMixture

from flowkit import priors as p
from flowkit.exceptions import InvalidParameterError, ShapeError

from .table import PRIORS, perturbed

every_prior = pytest.mark.parametrize("build", PRIORS.values(), ids=PRIORS)


def moved(build, d):
    return perturbed(build(d), 0.2)


@every_prior
def test_integrates_to_one_in_one_dimension(build):
    # Sinh-spaced points reach far into heavy tails and stay dense in the middle.
    t = torch.linspace(-16, 16, 400_001, dtype=torch.float64)
    x = torch.sinh(t)
    with torch.no_grad():
        density = moved(build, 1).log_prob(x[:, None]).exp()
    assert torch.trapezoid(density * torch.cosh(t), t).item() == pytest.approx(1.0, abs=1e-4)


@every_prior
def test_integrates_to_one_in_two_dimensions(build):
    t = torch.linspace(-9, 9, 1201, dtype=torch.float64)
    x, weight = torch.sinh(t), torch.cosh(t)
    grid = torch.cartesian_prod(x, x)
    with torch.no_grad():
        density = moved(build, 2).log_prob(grid).exp().view(1201, 1201)
    total = torch.trapezoid(torch.trapezoid(density * weight, t) * weight, t)
    assert total.item() == pytest.approx(1.0, abs=5e-3)


@every_prior
@pytest.mark.parametrize("d", [1, 3])
def test_samples_follow_the_density(build, d):
    """The density of samples under the model is distributed as an independent sampler says."""
    prior = moved(build, d)
    draws = prior.sample(4000, torch.Generator().manual_seed(0)).numpy()
    column = draws[:, 0]
    # Cumulative distribution of the first column, by integrating out the others numerically.
    if d == 1:
        t = torch.linspace(-10, 10, 200_001, dtype=torch.float64)
        x = torch.sinh(t)
        with torch.no_grad():
            density = prior.log_prob(x[:, None]).exp() * torch.cosh(t)
        cumulative = torch.cumulative_trapezoid(density, t)
        uniform = np.interp(column, x[1:].numpy(), cumulative.numpy())
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    else:
        # E[q(z)/p(z)] = 1 for any normalised q: importance weights against a wide Student-t.
        proposal = stats.multivariate_t(np.zeros(d), 4 * np.eye(d), df=2)
        points = proposal.rvs(40_000, random_state=0)
        with torch.no_grad():
            log_ratio = prior.log_prob(torch.from_numpy(points)).numpy() - proposal.logpdf(points)
        assert np.exp(log_ratio).mean() == pytest.approx(1.0, abs=0.05)
        weights = np.exp(log_ratio) / np.exp(log_ratio).sum()
        for function in (np.tanh, np.abs):
            bounded = np.minimum(function(points), 5)
            expected = weights @ bounded
            got = np.minimum(function(draws), 5).mean(0)
            np.testing.assert_allclose(got, expected, atol=0.12)


@every_prior
def test_sampling_is_repeatable_and_leaves_the_global_generator_alone(build):
    prior = build(3)
    state = torch.get_rng_state()
    first, same, other = (
        prior.sample(7, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert first.shape == (7, 3)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@every_prior
def test_wrong_shapes_are_refused(build):
    with pytest.raises(ShapeError, match=r"\(n, 3\), got \(5, 2\)"):
        build(3).log_prob(torch.zeros(5, 2))


@every_prior
def test_far_off_rows_have_finite_scores_and_gradients(build):
    prior = moved(build, 2)
    z = torch.tensor([[1e6, -1e6]], dtype=torch.float64, requires_grad=True)
    log_prob = prior.log_prob(z)
    log_prob.sum().backward()
    assert torch.isfinite(log_prob).all()
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    ("prior", "reference"),
    [
        (p.Normal(1, scale=2.0), stats.norm(scale=2.0)),
        (p.Laplace(1, scale=0.5), stats.laplace(scale=0.5)),
        (p.StudentT(1, 7.0, scale=1.5), stats.t(7.0, scale=1.5)),
    ],
)
def test_agrees_with_scipy(prior, reference):
    x = np.linspace(-5, 5, 11)
    got = prior.double().log_prob(torch.from_numpy(x)[:, None]).detach().numpy()
    np.testing.assert_allclose(got, reference.logpdf(x), rtol=1e-6)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_mixture_started_from_scikit_learn_is_that_mixture(covariance):
    X = np.random.default_rng(0).normal(size=(300, 3)) @ np.triu(np.ones((3, 3)))
    mixture = SklearnMixture(4, covariance_type=covariance, random_state=0).fit(X)
    prior = p.GaussianMixture(3, 4, covariance).double()
    prior.start(
        *(torch.from_numpy(a) for a in (mixture.weights_, mixture.means_, mixture.covariances_))
    )
    rows = torch.from_numpy(X)
    with torch.no_grad():
        np.testing.assert_allclose(prior.log_prob(rows), mixture.score_samples(X), rtol=1e-8)
        posterior = prior.component_log_prob(rows).softmax(1)
    np.testing.assert_allclose(posterior, mixture.predict_proba(X), atol=1e-8)


def test_mixture_deviations_have_a_floor():
    prior = p.GaussianMixture(1, 1)
    with torch.no_grad():
        prior.log_diagonal.fill_(100.0)
    peak = prior.log_prob(torch.zeros(1, 1)).item()
    assert peak == pytest.approx(-0.5 * math.log(2 * math.pi) - math.log(1e-3), abs=1e-4)


def test_location_and_scale_are_parameters_only_on_request():
    assert not list(p.Normal(2).parameters())
    assert {name for name, _ in p.Laplace(2, learnable=True).named_parameters()} == {
        "location",
        "log_ratio",
    }
    assert "raw_degrees" in dict(p.StudentT(2).named_parameters())


def test_impossible_priors_are_refused():
    with pytest.raises(InvalidParameterError, match="scale"):
        p.Normal(2, scale=0.0)
    with pytest.raises(InvalidParameterError, match="degrees_of_freedom"):
        p.StudentT(2, 0.5)
    with pytest.raises(InvalidParameterError, match="n_components"):
        p.GaussianMixture(2, 0)
    with pytest.raises(InvalidParameterError, match="covariance"):
        p.GaussianMixture(2, 2, "tied")
    with pytest.raises(InvalidParameterError, match="n_features"):
        p.Normal(0)
    with pytest.raises(ShapeError, match=r"covariances of shape \(2, 3, 3\)"):
        p.GaussianMixture(3, 2).start(torch.ones(2), torch.ones(2, 3), torch.ones(2, 3))

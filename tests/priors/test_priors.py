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

from ..table import PRIORS
from ..tensors import perturbed

every_prior = pytest.mark.parametrize("build", PRIORS.values(), ids=PRIORS)


def moved(build, d):
    return perturbed(build(d), 0.2)


@every_prior
def test_integrates_to_one_in_one_dimension(build):
    # Sinh-spaced points reach far into heavy tails and stay dense in the middle.
    t = torch.linspace(-16, 16, 100_001, dtype=torch.float64)
    x = torch.sinh(t)
    with torch.no_grad():
        density = moved(build, 1).log_prob(x[:, None]).exp()
    assert torch.trapezoid(density * torch.cosh(t), t).item() == pytest.approx(1.0, abs=1e-4)


@every_prior
def test_integrates_to_one_in_two_dimensions(build):
    t = torch.linspace(-9, 9, 601, dtype=torch.float64)
    x, weight = torch.sinh(t), torch.cosh(t)
    grid = torch.cartesian_prod(x, x)
    with torch.no_grad():
        density = moved(build, 2).log_prob(grid).exp().view(601, 601)
    total = torch.trapezoid(torch.trapezoid(density * weight, t) * weight, t)
    assert total.item() == pytest.approx(1.0, abs=5e-3)


@every_prior
def test_temperature_multiplies_deviations_from_centres(build):
    prior = moved(build, 4)

    def sample(*temperature):
        return prior.sample(50, torch.Generator().manual_seed(0), *temperature)

    centres, draws = sample(0.0), sample()
    torch.testing.assert_close(sample(1.0), draws, rtol=0, atol=0)
    torch.testing.assert_close(sample(0.3), centres + 0.3 * (draws - centres))
    by_column = torch.tensor([0.0, 1.0, 2.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(sample(by_column), centres + by_column * (draws - centres))
    assert (draws.std(0) > 0).all()
    # Modes, or those of components; next to them, as scores of kernels leave out their own.
    with torch.no_grad():
        assert prior.log_prob(sample(0.01)).mean() > prior.log_prob(draws).mean()


@every_prior
@pytest.mark.parametrize("d", [1, 3])
def test_samples_follow_the_density(build, d):
    """The density of samples under the model is distributed as an independent sampler says."""
    prior = moved(build, d)
    draws = prior.sample(4000, torch.Generator().manual_seed(0)).numpy()
    column = draws[:, 0]
    # Cumulative distribution of the first column, by integrating out the others numerically.
    if d == 1:
        t = torch.linspace(-10, 10, 50_001, dtype=torch.float64)
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


def _random_rows(d, n=200, seed=3):
    return 1.5 * torch.randn(
        n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_one_group_with_one_hot_nodes_is_a_gaussian_mixture(covariance):
    X = np.random.default_rng(0).normal(size=(300, 3)) @ np.triu(np.ones((3, 3)))
    mixture = SklearnMixture(4, covariance_type=covariance, random_state=0).fit(X)
    prior = p.Topic(3, 4, [[0, 1, 2]], nodes="one_hot", covariance=covariance).double()
    prior.start(*map(torch.from_numpy, (mixture.weights_, mixture.means_, mixture.covariances_)))
    rows = torch.from_numpy(X)
    with torch.no_grad():
        np.testing.assert_allclose(prior.log_prob(rows), mixture.score_samples(X), rtol=1e-7)
        posterior = mixture.predict_proba(X)
        np.testing.assert_allclose(prior.proportions(rows), posterior, atol=1e-7)
        np.testing.assert_allclose(prior.responsibilities(rows)[:, 0], posterior, atol=1e-7)


def test_one_group_is_a_mixture_whatever_the_nodes():
    prior = moved(lambda d: p.Topic(d, 3, [list(range(d))], nodes=40), 2)
    rows = _random_rows(2)
    with torch.no_grad():
        log_topic = prior.topic_log_prob(rows)[:, 0]
        weights = prior._log_weights().exp() @ prior.theta
        expected = (log_topic + weights.log()).logsumexp(1)
        torch.testing.assert_close(prior.log_prob(rows), expected, rtol=1e-6, atol=1e-6)


def test_large_alpha_is_a_product_of_mixtures():
    prior = moved(lambda d: p.Topic(d, 3, nodes=64), 4)
    rows = _random_rows(4)
    with torch.no_grad():
        expected = (prior.topic_log_prob(rows) - math.log(3)).logsumexp(2).sum(1)
        gaps = []
        for alpha in (1.0, 30.0, 1e4):
            prior.log_alpha.fill_(math.log(alpha))
            gaps.append((prior.log_prob(rows) - expected).abs().max().item())
    assert gaps[0] > 0.1
    assert gaps[2] < gaps[1] < gaps[0]
    assert gaps[2] < 1e-3


@pytest.mark.parametrize("alpha", [(0.2, 0.2, 0.2), (0.3, 1.0, 2.5), (5.0, 8.0, 3.0)])
def test_many_nodes_are_the_dirichlet_integral(alpha):
    prior = moved(lambda d: p.Topic(d, 3, nodes=4096), 4)
    rows = _random_rows(4, 50)
    theta = torch.from_numpy(np.random.default_rng(0).dirichlet(alpha, size=200_000))
    with torch.no_grad():
        prior.log_alpha.copy_(torch.tensor(alpha).log())
        words = prior.topic_log_prob(rows).exp()
        brute = torch.stack([(theta @ word.t()).prod(1).mean().log() for word in words])
        torch.testing.assert_close(prior.log_prob(rows), brute, atol=0.05, rtol=0)


def test_topic_density_agrees_with_loops():
    prior = moved(lambda d: p.Topic(d, 2, [[0, 2], [1]], nodes=7, covariance="full"), 3)
    rows = _random_rows(3, 5)
    with torch.no_grad():
        weights, log_topic = prior._log_weights().exp(), prior.topic_log_prob(rows)
        for i, row in enumerate(rows):
            for n, group in enumerate(prior.groups):
                for k in range(2):
                    size = len(group)
                    factor = prior.off_diagonal[n, k].triu(1) + torch.diag(
                        prior.log_diagonal[n, k].exp()
                    )
                    factor = factor[:size, :size]
                    normal = torch.distributions.MultivariateNormal(
                        prior.means[n, k, :size], precision_matrix=factor @ factor.t()
                    )
                    expected = normal.log_prob(row[group]).item()
                    assert log_topic[i, n, k].item() == pytest.approx(expected, abs=1e-9)
            density = sum(
                weights[s]
                * torch.stack([prior.theta[s] @ log_topic[i, n].exp() for n in (0, 1)]).prod()
                for s in range(7)
            )
            assert prior.log_prob(rows)[i].item() == pytest.approx(math.log(density), abs=1e-6)


def test_topic_density_integrates_to_one_in_six_dimensions():
    groups = [[0, 1], [2, 3, 4], [5]]
    prior = moved(lambda d: p.Topic(d, 4, groups, covariance="full"), 6)
    proposal = stats.multivariate_t(np.zeros(6), 3 * np.eye(6), df=4)
    points = proposal.rvs(60_000, random_state=0)
    with torch.no_grad():
        log_ratio = prior.log_prob(torch.from_numpy(points)).numpy() - proposal.logpdf(points)
    ratio = np.exp(log_ratio)
    error = ratio.std() / math.sqrt(len(ratio))
    assert error < 0.02
    assert abs(ratio.mean() - 1) < 4 * error


def _planted(n=3000):
    """Rows of three topics in four groups of two columns, with proportions of their own."""
    rng = np.random.default_rng(0)
    means = 6 * rng.normal(size=(4, 3, 2))
    theta = rng.dirichlet([0.3, 0.3, 0.3], size=n)
    topic = np.array([rng.choice(3, size=4, p=t) for t in theta])
    words = means[np.arange(4), topic] + rng.normal(size=(n, 4, 2))
    scale = words.reshape(n, 8).std(0)
    return torch.from_numpy(words.reshape(n, 8) / scale), theta, topic


def test_annealed_start_finds_planted_topics():
    z, theta, topic = _planted()
    groups = [[2 * i, 2 * i + 1] for i in range(4)]
    prior = p.Topic(8, 3, groups).double()
    guess = 0.4 * torch.nn.functional.one_hot(torch.from_numpy(topic), 3).double() + 0.2
    prior.start_from(z, guess, torch.ones(3, dtype=torch.float64), n_iterations=0)
    before = prior.log_prob(z).mean().item()
    prior.start_from(z, guess, torch.ones(3, dtype=torch.float64))
    with torch.no_grad():
        assert prior.log_prob(z).mean().item() > before + 0.5
        assert (prior.responsibilities(z).argmax(2).numpy() == topic).mean() > 0.95
        correlation = np.corrcoef(prior.proportions(z).numpy()[:, 0], theta[:, 0])[0, 1]
    assert correlation > 0.8
    assert (prior.alpha < 1).all()


def test_rows_of_weight_zero_leave_no_trace_in_the_start():
    z, _, topic = _planted(200)
    weight = (torch.arange(200) % 3 > 0).double()
    guess = torch.nn.functional.one_hot(torch.from_numpy(topic), 3).double()
    groups, alpha = [[0, 1], [2, 3], [4, 5], [6, 7]], torch.ones(3, dtype=torch.float64)
    weighted, without = (p.Topic(8, 3, groups).double() for _ in range(2))
    weighted.start_from(z, guess, alpha, weight)
    kept = weight > 0
    without.start_from(z[kept], guess[kept], alpha)
    with torch.no_grad():
        torch.testing.assert_close(weighted.log_prob(z), without.log_prob(z))


def test_samples_of_topics_are_theirs():
    prior = moved(lambda d: p.Topic(d, 3, [[0, 1], [2, 3]], covariance="full"), 4)
    draws = prior.sample_given(
        torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64).expand(20_000, 3),
        torch.Generator().manual_seed(0),
    )
    with torch.no_grad():
        mean = torch.cat([prior.means[n, 1] for n in (0, 1)])
        factor = [
            prior.off_diagonal[n, 1].triu(1) + torch.diag(prior.log_diagonal[n, 1].exp())
            for n in (0, 1)
        ]
        covariance = torch.block_diag(*(torch.linalg.inv(f @ f.t()) for f in factor))
    torch.testing.assert_close(draws.mean(0), mean, atol=0.1, rtol=0.05)
    torch.testing.assert_close(torch.cov(draws.t()), covariance, atol=0.15, rtol=0.1)


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_moved_rows_keep_their_place_within_the_topic(covariance):
    prior = moved(lambda d: p.Topic(d, 3, [[0, 1], [2]], covariance=covariance), 3)
    z = _random_rows(3, 6)
    origin, target = torch.zeros(6, 2, dtype=torch.long), torch.ones(6, 2, dtype=torch.long)
    with torch.no_grad():
        there = prior.move(z, origin, target)
        torch.testing.assert_close(prior.move(there, target, origin), z)
        torch.testing.assert_close(prior.move(z, origin, origin), z)
        log_topic, log_moved = prior.topic_log_prob(z), prior.topic_log_prob(there)
        # The distance from the mean is the same, so densities differ by a constant of the topics.
        gap = log_moved[:, :, 1] - log_topic[:, :, 0]
        torch.testing.assert_close(gap, gap[:1].expand_as(gap))


def test_topic_deviations_have_a_floor():
    prior = p.Topic(1, 1)
    with torch.no_grad():
        prior.log_diagonal.fill_(100.0)
    peak = prior.log_prob(torch.zeros(1, 1)).item()
    assert peak == pytest.approx(-0.5 * math.log(2 * math.pi) - math.log(1e-3), abs=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_topics": 0}, "n_topics"),
        ({"n_topics": 2, "groups": [[0], [0, 1]]}, "groups"),
        ({"n_topics": 2, "groups": [[0, 1], [], [2]]}, "groups"),
        ({"n_topics": 2, "nodes": 0}, "nodes"),
        ({"n_topics": 2, "nodes": "corners"}, "nodes"),
        ({"n_topics": 2, "covariance": "tied"}, "covariance"),
    ],
)
def test_impossible_topic_priors_are_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        p.Topic(3, **options)
    with pytest.raises(ShapeError, match=r"means of shape \(2, 3\)"):
        p.Topic(3, 2).start(torch.ones(2), torch.ones(2, 2), torch.ones(2, 3))

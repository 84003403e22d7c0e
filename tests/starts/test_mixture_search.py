"""Flows begin as mixtures that are no worse than the best that scikit-learn finds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as SklearnMixture

from flowkit import FlowDensity
from flowkit import priors as p
from flowkit.starts import choose_start, mixture_start
from flowkit.starts._expectation_maximisation import improve, log_density


def clusters(rng, n, k, d):
    """Gaussians of any shape, mostly apart; the same ones for every generator."""
    fixed = np.random.default_rng(k)
    centres = fixed.uniform(-10, 10, (k, d))
    mixing = fixed.normal(size=(k, d, d)) * fixed.uniform(0.1, 0.6, (k, 1, 1))
    part = rng.integers(k, size=n)
    return centres[part] + (mixing[part] @ rng.normal(size=(n, d, 1)))[:, :, 0]


def spiral(rng, n):
    turn = 6 * np.pi * np.sqrt(rng.uniform(size=n))
    return np.column_stack([turn * np.cos(turn), turn * np.sin(turn)]) + rng.normal(0, 0.3, (n, 2))


def heavy(rng, n):
    return rng.standard_t(3, (n, 4)) @ np.random.default_rng(0).normal(size=(4, 4))


def one_normal(rng, n):
    return rng.normal(size=(n, 5)) @ np.random.default_rng(1).normal(size=(5, 5))


TABLES = {
    "60 clusters": lambda rng, n: clusters(rng, n, 60, 2),
    "12 clusters": lambda rng, n: clusters(rng, n, 12, 6),
    "spiral": spiral,
    "heavy tails": heavy,
    "one normal": one_normal,
}


def draw(make, n=2000, seed=0):
    """Training and new rows, standardised by the former."""
    rng = np.random.default_rng(seed)
    Z = make(rng, 2 * n)
    Z = (Z - Z[:n].mean(0)) / Z[:n].std(0)
    return Z[:n], Z[n:]


def start_of(Z, seed=0, n_components=None, covariance=None):
    rng = np.random.RandomState(seed)
    return choose_start(Z, None, True, n_components, covariance, rng)


def mean_log_density(start, Z):
    mixture = start.prior
    prior = p.GaussianMixture(
        Z.shape[1],
        len(mixture.weights),
        mixture.covariance,
        min_deviation=mixture.min_deviation,
    ).double()
    prior.start(*mixture.tensors())
    latent, log_det = start.apply(Z)
    return (prior.log_prob(latent) + log_det).mean().item()


@pytest.mark.parametrize("name", TABLES)
def test_no_mixture_of_a_few_sizes_is_better(name):
    many = name == "60 clusters"
    train, test = draw(TABLES[name], n=4000 if many else 2000)
    sizes = (40, 60, 80) if many else (1, 2, 3, 5, 8, 12, 18)
    fits, left_out = [], []
    for size in sizes:
        fits.append(SklearnMixture(size, random_state=0).fit(train))
        part = SklearnMixture(size, random_state=0).fit(train[200:])
        left_out.append(part.score(train[:200]))
    by_bic = min(fits, key=lambda fit: fit.bic(train))
    by_hold_out = fits[int(np.argmax(left_out))]
    best = max(by_bic.score(test), by_hold_out.score(test))
    assert mean_log_density(start_of(train), test) > best - 0.05


def test_many_clusters_get_many_components_and_one_normal_one():
    assert len(start_of(draw(TABLES["60 clusters"])[0]).prior.weights) >= 40
    assert 12 <= len(start_of(draw(TABLES["12 clusters"])[0]).prior.weights) <= 27
    assert len(start_of(draw(TABLES["one normal"])[0]).prior.weights) == 1


def test_a_flow_that_gains_nothing_is_its_mixture():
    train, test = draw(TABLES["12 clusters"], n=1000)
    density = FlowDensity(max_epochs=1, learning_rate=0.3, random_state=0).fit(train)
    assert density.best_epoch_ == 0
    untrained = FlowDensity(max_epochs=1, learning_rate=1e-12, random_state=0).fit(train)
    np.testing.assert_allclose(
        density.score_samples(test), untrained.score_samples(test), atol=1e-4
    )
    best = max(SklearnMixture(k, random_state=0).fit(train).score(test) for k in (8, 12, 18))
    assert density.score(test) > best - 0.1


def test_one_row_far_out_does_not_settle_the_size():
    train, _ = draw(lambda rng, n: clusters(rng, n, 12, 2))
    far = np.vstack([train, np.full((1, 2), 300.0)])
    assert 12 <= len(start_of(far).prior.weights) <= 27


def test_the_same_seed_finds_the_same_start_in_any_thread():
    train, _ = draw(TABLES["12 clusters"], n=500)
    alone = start_of(train)
    with ThreadPoolExecutor(4) as pool:
        others = list(pool.map(lambda _: start_of(train), range(4)))
    for other in others:
        np.testing.assert_array_equal(other.prior.means, alone.prior.means)
        np.testing.assert_array_equal(other.prior.covariances, alone.prior.covariances)


def test_more_rows_than_the_search_looks_at_are_used():
    """The mixture is the likeliest of all rows, not of those that its size was chosen by."""
    train, _ = draw(TABLES["12 clusters"], n=8000)
    start = start_of(train)
    assert gain_of_more_steps(start, train) < 0.01
    assert gain_of_more_steps(start_of(train[:200], n_components=12), train) > 0.1


def gain_of_more_steps(start, Z):
    """Nats that further steps on these rows gain."""
    latent = start.apply(Z)[0].numpy()
    before = log_density(start.prior, latent).mean()
    return improve(start.prior, latent, 1e-3)[1] - before


@pytest.mark.parametrize("covariance", ["full", "diag"])
@pytest.mark.parametrize("n", [3, 12, 300])
def test_what_is_given_is_kept(covariance, n):
    train, _ = draw(TABLES["12 clusters"], n=n)
    mixture = start_of(train, n_components=3, covariance=covariance).prior
    assert mixture.covariance == covariance
    assert len(mixture.weights) == 3


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_latents_of_a_given_map_begin_no_narrower_than_their_prior_may_be(covariance):
    rng = np.random.RandomState(0)
    latent = 1e4 * draw(TABLES["12 clusters"])[0][:, :3] + [0.0, 1e6, -5.0]
    latent[:, 2] = -5.0
    start = mixture_start(latent, None, None, covariance, rng, min_deviation=0.5)
    covariances = start.prior.covariances
    least = covariances.min() if covariance == "diag" else np.linalg.eigvalsh(covariances).min()
    assert least > 0.25 * (1 - 1e-6)
    np.testing.assert_allclose(start.prior.weights @ start.prior.means, latent.mean(0), atol=1e-3)

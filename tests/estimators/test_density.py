"""Every estimator of the table is a density: its integral, its units, its samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.datasets import load_breast_cancer, make_moons

from flowkit import FlowDensity
from flowkit import bijections as b
from flowkit.exceptions import HeavyValueWarning

from ..table import FLOWS
from .examples import SMALL, every_estimator

every_flow = pytest.mark.parametrize("build", FLOWS.values(), ids=FLOWS)


@every_flow
def test_density_integrates_to_one_in_one_dimension(build):
    X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, 100) for m in (10, 20)])[:, None]
    density = build().fit(X)
    t = np.linspace(-12, 12, 4_001)
    x = 15 + np.sinh(t)
    values = np.exp(density.score_samples(x[:, None])) * np.cosh(t)
    assert trapezoid(values, t) == pytest.approx(1.0, abs=2e-3)


@every_flow
def test_density_integrates_to_one_in_two_dimensions(build):
    X = make_moons(300, noise=0.1, random_state=0)[0] * [100.0, 1.0]
    density = build().fit(X)
    t = np.linspace(-7, 7, 301)
    x = np.sinh(t)
    grid = np.stack(np.meshgrid(60 * x + 50, x + 0.25, indexing="ij"), -1).reshape(-1, 2)
    values = np.exp(density.score_samples(grid)).reshape(301, 301)
    weight = np.cosh(t)
    total = 60 * trapezoid(trapezoid(values * weight, t) * weight, t)
    assert total == pytest.approx(1.0, abs=0.02)


@every_estimator
def test_scores_carry_the_units_of_x(build, density, X):
    """Scaling a column by c divides the density by c."""
    scale = np.array([100.0, 0.01, 1.0])
    scores = density.score_samples(X)
    scaled = build().fit(X * scale).score_samples(X * scale)
    np.testing.assert_allclose(scaled, scores - np.log(scale).sum(), rtol=1e-4, atol=1e-3)


@every_flow
def test_transform_is_undone_by_inverse_transform(density, X):
    Z = density.transform(X)
    np.testing.assert_allclose(density.inverse_transform(Z), X, rtol=1e-6, atol=1e-6)
    far = X + 1e3 * X.std(0)
    np.testing.assert_allclose(density.inverse_transform(density.transform(far)), far, rtol=1e-6)


@every_flow
def test_score_samples_is_the_prior_of_the_latent_plus_the_log_determinant(density, X):
    row = X[7]

    def latent(x):
        z = (x - torch.from_numpy(density.location_)) / torch.from_numpy(density.scale_)
        return density.module_.encode(z[None])[0]

    jacobian = torch.autograd.functional.jacobian(latent, torch.from_numpy(row))
    z = torch.from_numpy(density.transform(row[None]))
    expected = density.module_.prior.log_prob(z)[0] + jacobian.slogdet()[1]
    assert density.score_samples(row[None])[0] == pytest.approx(expected.item(), abs=1e-8)


@every_estimator
def test_samples_come_from_the_density(density, X):
    """The scores of samples are distributed as importance sampling of the density says."""
    S = density.sample(2000, random_state=0)
    assert S.shape == (2000, 3)
    assert S.dtype == np.float64
    proposal = stats.multivariate_t(X.mean(0), 2 * np.cov(X.T), df=3)
    Q = proposal.rvs(10_000, random_state=0)
    log_ratio = density.score_samples(Q) - proposal.logpdf(Q)
    assert np.exp(log_ratio).mean() == pytest.approx(1.0, abs=0.1)
    weights = np.exp(log_ratio) / np.exp(log_ratio).sum()
    for column in range(3):
        quantiles = np.quantile(X[:, column], [0.1, 0.5, 0.9])
        expected = [weights @ (Q[:, column] <= q) for q in quantiles]
        got = [(S[:, column] <= q).mean() for q in quantiles]
        np.testing.assert_allclose(got, expected, atol=0.06)


def test_training_improves_on_the_start_where_there_is_structure():
    X = make_moons(1000, noise=0.05, random_state=0)[0]
    density = FlowDensity(max_epochs=30, prior="normal", random_state=0).fit(X[:800])
    valid = density.history_["valid_log_density"]
    assert valid[density.best_epoch_] > valid[0] + 0.3
    reference = stats.multivariate_normal(X[:800].mean(0), np.cov(X[:800].T))
    assert density.score(X[800:]) > reference.logpdf(X[800:]).mean() + 0.3


def test_epoch_zero_is_the_classical_model(X):
    """With learning all but off, the density is the one that it starts from."""
    still = {"learning_rate": 1e-12, "max_epochs": 1, "random_state": 0, "early_stopping": False}
    normal = FlowDensity(prior="normal", **still).fit(X)
    reference = stats.multivariate_normal(X.mean(0), np.cov(X.T, bias=True))
    np.testing.assert_allclose(normal.score_samples(X), reference.logpdf(X), rtol=1e-3, atol=1e-3)


def test_scores_are_float64_and_minus_infinity_where_there_is_no_density():
    X = np.random.default_rng(0).lognormal(size=(200, 2))
    density = FlowDensity(
        [b.Log(2), b.ElementwiseAffine(2)], prior="normal", standardize=False, max_epochs=2
    ).fit(X)
    scores = density.score_samples([[1.0, 1.0], [0.0, 1.0], [-3.0, 2.0]])
    assert scores.dtype == np.float64
    assert np.isfinite(scores[0])
    assert (scores[1:] == -np.inf).all()


def test_far_off_rows_score_low_but_never_nan(fitted, X):
    for distance in (1e2, 1e6, 1e100, 1e200, 1e308):
        scores = fitted.score_samples(np.array([[distance] * 3, [-distance, distance, 0.0]]))
        assert not np.isnan(scores).any()
        assert (scores < fitted.score_samples(X).min()).all()


@pytest.mark.parametrize("noise", ["scott", 0.3])
def test_training_noise_widens_the_density(noise, X):
    options = {**SMALL, "prior": "normal", "max_epochs": 60, "learning_rate": 0.01}
    options["early_stopping"] = False
    plain = FlowDensity(**options, noise=None).fit(X[:100])
    noisy = FlowDensity(**options, noise=noise).fit(X[:100])
    spread = [np.linalg.det(np.cov(d.sample(2000, random_state=0).T)) for d in (plain, noisy)]
    assert spread[1] > 1.1 * spread[0]


def test_repeated_values_get_noise_of_their_spacing():
    rng = np.random.default_rng(0)
    X = np.stack(
        [rng.normal(size=500), rng.poisson(3, 500), np.round(rng.normal(size=500), 1)], axis=1
    )
    density = FlowDensity(**SMALL).fit(X)
    np.testing.assert_allclose(density.dequantization_, [0.0, 1.0, 0.1], rtol=1e-6)
    assert np.isfinite(density.score_samples(X)).all()
    # The density of a count, times its spacing of one, is close to its probability.
    counts = FlowDensity(max_epochs=30, random_state=0).fit(X[:, 1:2])
    probability = np.exp(counts.score_samples(np.arange(8.0)[:, None]))
    np.testing.assert_allclose(probability, stats.poisson(3).pmf(np.arange(8)), atol=0.06)
    off = FlowDensity(**SMALL, dequantize=None).fit(X)
    np.testing.assert_array_equal(off.dequantization_, 0.0)


def test_a_mostly_zero_column_stays_finite():
    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=400), np.where(rng.random(400) < 0.6, 0.0, rng.random(400))], 1)
    with pytest.warns(HeavyValueWarning, match=r"column 1 holds 0 in"):
        density = FlowDensity(**SMALL).fit(X)
    np.testing.assert_array_equal(density.dequantization_, 0)
    ((column, value, width),) = density.heavy_values_
    assert (column, value) == (1, 0)
    assert 0 < width < 0.05
    assert np.isfinite(density.score_samples(X)).all()


def test_real_table_beats_a_single_gaussian():
    X = load_breast_cancer().data[:, :10]
    train, test = X[:400], X[400:]
    density = FlowDensity(random_state=0).fit(train)
    gaussian = stats.multivariate_normal(train.mean(0), np.cov(train.T), allow_singular=True)
    assert density.score(test) > gaussian.logpdf(test).mean()

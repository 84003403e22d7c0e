"""Answers against closed forms: Gaussians of ten columns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import FlowDensity
from flowkit import bijections as b
from flowkit.conditions import questions_of

from .examples import QUICK, conditioned, fits, gaussian, linear, mixture_of

KNOWN = [1, 4, 8]
OTHERS = [j for j in range(10) if j not in KNOWN]


@pytest.mark.parametrize(
    ("bijection", "outside", "heights"),
    [(b.Logit(1), [-1.0, 0.0, 1.5, 9.0], [0, 0, 1, 1]), (b.Log(1), [-5.0, 0.0], [0, 0])],
    ids=["logit", "log"],
)
def test_outside_a_domain_all_is_below_or_nothing(bijection, outside, heights):
    X = np.random.default_rng(0).uniform(0.1, 0.9, size=(40, 1))
    density = FlowDensity([bijection], prior="normal", standardize=False, **QUICK).fit(X)
    found = density.cdf(np.array(outside)[:, None], 0)
    np.testing.assert_array_equal(found, heights)
    assert 0 < density.cdf([[0.5]], 0)[0] < 1


def rows_of(values, known=KNOWN, d=10):
    rows = np.full((1, d), np.nan)
    rows[:, known] = values
    return rows


def moments(density):
    """Mean and covariance matrix of a flow of one Gaussian."""
    d = density.n_features_in_
    with torch.no_grad():
        ends = torch.cat([torch.zeros(1, d), torch.eye(d)]).double()
        latent = density.module_.encode(ends).numpy()
        matrix = (latent[1:] - latent[0]).T
        factor = density.module_.prior.precision_factors()[0].numpy()
        mean = density.module_.prior.means[0].numpy()
    back = np.linalg.inv(matrix)
    covariance = back @ np.linalg.inv(factor @ factor.T) @ back.T
    mean = back @ (mean - latent[0])
    scale = density.scale_
    return mean * scale + density.location_, covariance * np.outer(scale, scale)


def test_conditional_scores_of_a_linear_flow_are_those_of_its_gaussian():
    density = linear(10)
    mean, covariance = moments(density)
    X = density.sample(5, random_state=1)
    scores, error = density.score_samples(X, return_std=True, given=KNOWN)
    assert (error == 0).all()
    for row, score in zip(X, scores, strict=True):
        moved, within = conditioned(mean, covariance, KNOWN, row[KNOWN])
        expected = stats.multivariate_normal(moved, within).logpdf(row[OTHERS])
        assert score == pytest.approx(expected, abs=1e-8)


def test_conditional_draws_of_a_linear_flow_are_those_of_its_gaussian():
    density = linear(10)
    mean, covariance = moments(density)
    values = mean[KNOWN] + [0.5, -0.7, 1.0]
    drawn = density.sample(4000, random_state=0, given=dict(zip(KNOWN, values, strict=True)))
    assert (drawn[:, KNOWN] == values).all()
    moved, within = conditioned(mean, covariance, KNOWN, values)
    white = np.linalg.solve(np.linalg.cholesky(within), (drawn[:, OTHERS] - moved).T)
    assert all(fits(column, stats.norm.cdf) for column in white)
    assert np.abs(np.corrcoef(white) - np.eye(7)).max() < 0.07


def test_conditional_quantiles_of_a_linear_flow_are_those_of_its_gaussian():
    density = linear(10)
    mean, covariance = moments(density)
    rows = density.sample(4, random_state=2)
    levels = [0.01, 0.5, 0.9]
    found = density.quantile(levels, 0, given=np.where(np.isin(range(10), KNOWN), rows, np.nan))
    heights = density.cdf(rows, 0, given=KNOWN)
    for row, quantiles, height in zip(rows, found, heights, strict=True):
        moved, within = conditioned(mean, covariance, KNOWN, row[KNOWN])
        law = stats.norm(moved[0], within[0, 0] ** 0.5)
        np.testing.assert_allclose(quantiles, law.ppf(levels), rtol=1e-7)
        assert height == pytest.approx(law.cdf(row[0]), abs=1e-9)


def test_a_marginal_of_a_linear_flow_is_that_of_its_gaussian():
    density = linear(10)
    mean, covariance = moments(density)
    X = density.sample(5, random_state=3)
    marginal = density.marginal([7, 2])
    expected = stats.multivariate_normal(mean[[7, 2]], covariance[np.ix_([7, 2], [7, 2])])
    np.testing.assert_allclose(marginal.score_samples(X[:, [7, 2]]), expected.logpdf(X[:, [7, 2]]))


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_mixtures_of_scikit_learn_are_asked_exactly(kind):
    d, rng = 3, np.random.default_rng(0)
    mixture = GaussianMixture(2, covariance_type=kind, random_state=0)
    mixture.fit(rng.normal(size=(200, d)) * [1, 2, 3] + rng.integers(2, size=(200, 1)) * 4)
    X = mixture.sample(20)[0]
    found, error = questions_of(mixture).log_density(X, 2)
    np.testing.assert_allclose(found, mixture.score_samples(X))
    assert (error == 0).all()


def test_ten_columns_of_two_gaussians_are_conditioned_by_their_weights():
    first, second = gaussian(10, 0), gaussian(10, 1)
    questions = questions_of(mixture_of(first, second))
    values = [0.3, -0.2, 0.8]
    law = questions.law(rows_of(values), 0, 2)
    parts = [
        stats.multivariate_normal(m[KNOWN], c[np.ix_(KNOWN, KNOWN)]).pdf(values)
        for m, c in (first, second)
    ]
    heights = [
        stats.norm(m[0], c[0, 0] ** 0.5).cdf(0.4)
        for m, c in (conditioned(*part, KNOWN, values) for part in (first, second))
    ]
    expected = np.average(heights, weights=parts)
    assert law.cdf(np.array([[0.4]]))[0, 0] == pytest.approx(expected, abs=1e-9)


def test_kernels_of_scikit_learn_are_asked_exactly():
    X = np.random.default_rng(0).normal(size=(50, 3))
    kernels = KernelDensity(bandwidth=0.4).fit(X)
    questions = questions_of(kernels)
    np.testing.assert_allclose(questions.log_density(X[:5], 2)[0], kernels.score_samples(X[:5]))
    rows = X[:1].copy()
    rows[:, 0] = np.nan
    weights = np.exp(-0.5 * (((X - X[0])[:, 1:] / 0.4) ** 2).sum(1))
    expected = np.average(stats.norm(X[:, 0], 0.4).cdf(0.2), weights=weights)
    law = questions.law(rows, 0, 2)
    assert law.cdf(np.array([[0.2]]))[0, 0] == pytest.approx(expected, abs=1e-9)


def test_scores_given_columns_leave_the_kernel_on_a_row_out():
    X = np.random.default_rng(0).normal(size=(60, 3))
    options = {"n_transforms": 0, "max_epochs": 1, "random_state": 0}
    # Rows held out have no kernels.
    density = FlowDensity(prior="kernel", early_stopping=False, **options).fit(X)
    given = density.score_samples(X[:3], given=[1, 2])
    rows = X[:3] + 1e-3
    # Next to a row its kernel counts; on it, neither in the joint density nor in the marginal.
    assert (density.score_samples(rows, given=[1, 2]) > given + 0.01).all()
    with torch.no_grad():
        prior = density.module_.prior
        bandwidth = prior._scored_log_bandwidth().exp().item()
        ends = density.module_.encode(torch.cat([torch.zeros(1, 3), torch.eye(3)]).double())
        matrix = (ends[1:] - ends[0]).T.numpy()
    back = np.linalg.inv(matrix) * bandwidth
    within = back @ back.T * np.outer(density.scale_, density.scale_)
    for i in range(3):
        others = np.delete(X, i, axis=0)
        joint = stats.multivariate_normal(np.zeros(3), within).pdf(X[i] - others).mean()
        below = stats.multivariate_normal(np.zeros(2), within[1:, 1:]).pdf((X[i] - others)[:, 1:])
        assert given[i] == pytest.approx(np.log(joint / below.mean()), abs=1e-6)

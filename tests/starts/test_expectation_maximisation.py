"""Gaussian mixtures by expectation maximisation, against scikit-learn's and scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity
from flowkit.starts._expectation_maximisation import (
    _Differences,
    _Products,
    grown,
    improve,
    least_variances,
    log_density,
    spread_out,
)

FORMS = ("full", "diag")
# Too little to be seen in what scikit-learn finds.
REGULARISATION = 1e-7


@pytest.fixture(scope="module")
def Z():
    rng = np.random.default_rng(0)
    centres, mixing = rng.normal(0, 3, (5, 3)), rng.normal(0, 0.5, (5, 3, 3))
    part = rng.integers(5, size=600)
    return centres[part] + (mixing[part] @ rng.normal(size=(600, 3, 1)))[:, :, 0]


def first(Z, form, size=5, seed=0):
    return spread_out(Z, size, form, np.random.RandomState(seed), REGULARISATION)


@pytest.mark.parametrize("form", FORMS)
def test_as_many_steps_as_scikit_learn_end_at_the_same_mixture(Z, form):
    begun = first(Z, form)
    precisions = 1 / begun.covariances if form == "diag" else np.linalg.inv(begun.covariances)
    theirs = GaussianMixture(
        5,
        covariance_type=form,
        reg_covar=0.0,
        tol=0.0,
        max_iter=20,
        weights_init=begun.weights,
        means_init=begun.means,
        precisions_init=precisions,
        random_state=0,
    )
    with pytest.warns(match="did not converge"):
        theirs.fit(Z)
    ours, _ = improve(begun, Z, 0.0 * REGULARISATION, max_iter=20, tol=0.0)
    np.testing.assert_allclose(ours.weights, theirs.weights_, atol=1e-6)
    np.testing.assert_allclose(ours.means, theirs.means_, atol=1e-6)
    np.testing.assert_allclose(ours.covariances, theirs.covariances_, atol=1e-6)
    np.testing.assert_allclose(log_density(ours, Z), theirs.score_samples(Z), atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_each_step_makes_the_rows_likelier(Z, form):
    begun = first(Z, form)
    reached = [improve(begun, Z, REGULARISATION, max_iter=n, tol=0.0)[1] for n in range(1, 15)]
    assert np.all(np.diff(reached) > -1e-9)
    assert reached[-1] > reached[0] + 0.1


@pytest.mark.parametrize("form", FORMS)
def test_log_density_is_that_of_scipy(Z, form):
    mixture = first(Z, form)
    covariances = mixture.covariances
    if form == "diag":
        covariances = covariances[:, None] * np.eye(3)
    parts = [
        np.log(weight) + stats.multivariate_normal(mean, covariance).logpdf(Z)
        for weight, mean, covariance in zip(
            mixture.weights, mixture.means, covariances, strict=True
        )
    ]
    expected = np.logaddexp.reduce(parts, axis=0)
    np.testing.assert_allclose(log_density(mixture, Z), expected, rtol=1e-10)
    assert improve(mixture, Z, REGULARISATION, max_iter=1)[1] == pytest.approx(expected.mean())


@pytest.mark.parametrize("form", FORMS)
def test_products_and_differences_agree(Z, form):
    mixture = first(Z, form)
    fast, exact = _Products(Z, form), _Differences(Z, form)
    joint = exact.log_joint(mixture)
    np.testing.assert_allclose(fast.log_joint(mixture), joint, rtol=1e-9, atol=1e-9)
    share = np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, None])
    for ours, theirs in zip(fast.moments(share), exact.moments(share), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_more_components_leave_a_mixture_on_the_rows(Z, form):
    mixture, reached = improve(first(Z, form, 2), Z, REGULARISATION)
    larger = grown(mixture, Z, 6, np.random.RandomState(0), REGULARISATION)
    assert larger.weights.shape == (6,)
    assert larger.weights.sum() == pytest.approx(1.0)
    assert least_variances(larger).min() > 0
    assert (larger.means[2:, None] == Z).all(2).any(1).all()
    assert improve(larger, Z, REGULARISATION)[1] > reached + 0.1
    assert grown(mixture, Z, 2, np.random.RandomState(0), REGULARISATION) is mixture


@pytest.mark.parametrize("form", FORMS)
def test_components_of_few_rows_are_wider(form):
    """Rows all equal in each of two states: all spread is that of the regularisation."""
    Z = np.repeat([[0.0, 0.0], [1.0, 1.0]], [90, 10], axis=0)
    mixture, _ = improve(first(Z, form, 2), Z, 1e-3)
    order = mixture.weights.argsort()
    np.testing.assert_allclose(least_variances(mixture)[order], [1e-4, 1e-3 / 90], rtol=1e-6)


def test_equal_rows_are_no_more_components_than_there_are_of_them():
    Z = np.repeat([[0.0], [1.0], [3.0]], 5, axis=0)
    assert first(Z, "full", 10).weights.shape == (3,)


@pytest.mark.parametrize(("n_components", "n"), [(300, 100), (60, 25)])
def test_no_more_components_than_rows(n_components, n):
    X = np.random.default_rng(0).normal(size=(n, 2))
    density = FlowDensity(n_components=n_components, max_epochs=1, random_state=0).fit(X)
    assert density.module_.prior.n_components <= n

"""Distances between topics are those of their definitions; maps keep distances in the plane."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.spatial.distance import jensenshannon, pdist, squareform

from flowkit.topics import classical_scaling, gaussian_distances, word_distances


def test_distances_of_words_are_those_of_scipy():
    beta = np.random.default_rng(0).dirichlet(np.full(30, 0.1), size=5)
    beta[0, :10] = 0
    beta /= beta.sum(1, keepdims=True)
    expected = squareform(pdist(beta, lambda p, q: jensenshannon(p, q, base=2)))
    np.testing.assert_allclose(word_distances(beta), expected, atol=1e-12)


def test_distances_of_gaussians_are_minus_the_log_of_their_overlap():
    means = np.array([[0.0], [1.5], [-3.0]])
    variances = np.array([1.0, 0.3, 2.0])
    x = np.linspace(-30, 30, 200_001)
    density = np.exp(-((x - means) ** 2) / (2 * variances[:, None]))
    density /= np.sqrt(2 * np.pi * variances)[:, None]
    overlap = np.array([[trapezoid(np.sqrt(p * q), x) for p in density] for q in density])
    expected = np.sqrt(np.maximum(-np.log(overlap), 0))
    found = gaussian_distances([means], [variances[:, None, None]])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_squares_add_up_over_groups_and_do_not_depend_on_the_axes():
    rng = np.random.default_rng(0)
    means = rng.normal(size=(4, 3))
    roots = rng.normal(size=(4, 3, 3))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(3)
    one = gaussian_distances([means], [covariances])
    assert (one == one.T).all()
    assert (np.diagonal(one) == 0).all()
    two = gaussian_distances([means, means], [covariances, covariances])
    np.testing.assert_allclose(two, np.sqrt(2) * one)
    turn = rng.normal(size=(3, 3))
    turned = gaussian_distances([means @ turn.T], [turn @ covariances @ turn.T])
    np.testing.assert_allclose(turned, one, rtol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_points_of_a_plane_come_back(n):
    points = np.random.default_rng(n).normal(size=(n, 2))
    distances = squareform(pdist(points)) if n > 1 else np.zeros((1, 1))
    found = classical_scaling(distances)
    assert found.shape == (n, 2)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-12)
    if n > 1:
        np.testing.assert_allclose(squareform(pdist(found)), distances, atol=1e-9)
        assert found[:, 0].var() >= found[:, 1].var()

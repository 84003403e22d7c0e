"""A flow made linear: the law of what is missing where the flow is linear, near it elsewhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from flowkit import FlowDensity
from flowkit.bijections import LULinear
from flowkit.missing._conditionals import Mixture
from flowkit.missing._importance import shares
from flowkit.missing._linearised import _Centre, _simplex, linearised
from flowkit.missing._proposals import Proposals, log_weights

from .examples import correlated, moons, with_holes


def linear(d=3):
    mixing = LULinear(d)
    mixing.start(torch.from_numpy(np.cov(correlated().T)).float(), torch.ones(d))
    density = FlowDensity([mixing], n_components=2, max_epochs=1, random_state=0)
    return density.fit(correlated(200))


def kernels():
    """Gaussians that share their precision."""
    density = FlowDensity(n_transforms=0, prior="kernel", max_epochs=1, random_state=0)
    return density.fit(correlated(40))


def rows_of(density):
    Z = with_holes(density._columns.standardise(correlated(40, seed=3)), 0.4)
    return Z[np.isnan(Z).any(1) & ~np.isnan(Z).all(1)]


@pytest.mark.parametrize("build", [linear, kernels])
def test_of_a_linear_flow_it_is_the_law_of_what_is_missing(build):
    density = build()
    Z = rows_of(density)
    # It says little of the density, but where to look.
    wide = Mixture(np.ones(1), np.zeros((1, 3)), 0.3 * np.eye(3)[None])
    groups = list(wide.given(Z))
    values = np.random.default_rng(0).normal(size=(len(Z), 5, 3))
    for (rows, old), new in zip(groups, linearised(density._evaluator, Z, groups), strict=True):
        m = old.columns.shape[1]
        (log_density,) = new.log_densities(values[rows, :, :m], wide=False)
        full = np.repeat(Z[rows][:, None], 5, 1)
        columns = np.broadcast_to(old.columns[:, None], (len(rows), 5, m))
        np.put_along_axis(full, columns, values[rows, :, :m], 2)
        joint = density._evaluator.log_prob(full.reshape(-1, 3)).reshape(len(rows), 5)
        ratio = joint - log_density
        np.testing.assert_allclose(ratio, ratio[:, :1] + 0 * ratio, atol=1e-5)


def test_corners_have_the_mean_and_the_covariance_of_the_likeliest_component():
    Z = with_holes(correlated(40, seed=3), 0.4)
    precisions = np.linalg.inv(np.cov(correlated().T)) * np.array([1.0, 9.0])[:, None, None]
    mixture = Mixture(np.array([0.6, 0.4]), np.array([[1.0, -2, 0], [2, 1, 3]]), precisions)
    for rows, conditional in mixture.given(Z):
        n, m = conditional.columns.shape
        corners = _Centre.of(conditional).corners(Z[rows], _simplex(m)).reshape(n, m + 1, 3)
        for i, (row, columns) in enumerate(zip(Z[rows], conditional.columns, strict=True)):
            top = conditional.log_joint[:, i].argmax()
            covariance = np.linalg.inv(precisions[top][np.ix_(columns, columns)])
            values = corners[i][:, columns]
            np.testing.assert_allclose(values.mean(0), conditional.mean[top, i], atol=1e-9)
            np.testing.assert_allclose(np.cov(values.T, ddof=0), covariance.squeeze(), atol=1e-9)
            known = ~np.isnan(row)
            assert (corners[i][:, known] == row[known]).all()


def test_of_a_bent_flow_its_draws_fit_better_than_those_of_the_mixture_it_improves(fitted):
    Z = with_holes(fitted._columns.standardise(moons(100, seed=2)), 0.5)
    Z = Z[np.isnan(Z).sum(1) == 1]
    groups = list(Mixture(np.ones(1), np.zeros((1, 2)), np.eye(2)[None]).given(Z))
    points = (np.arange(64)[:, None] * [0.61803, 0.41421, 0.73205] + 0.5) % 1
    points = np.broadcast_to(points, (len(Z), 64, 3))
    effective = []
    for conditional in (groups[0][1], linearised(fitted._evaluator, Z, groups)[0]):
        values = conditional.draw(points, wide=False)
        full = np.repeat(Z[:, None], 64, 1)
        columns = np.broadcast_to(conditional.columns[:, None], values.shape)
        np.put_along_axis(full, columns, values, 2)
        log_prob = fitted._evaluator.log_prob(full.reshape(-1, 2)).reshape(len(Z), 64)
        log_drawn = conditional.log_densities(values, wide=False)[0]
        effective.append(1 / (shares(log_prob - log_drawn) ** 2).sum(1))
    assert np.median(effective[1]) > 1.3 * np.median(effective[0])


def test_draws_have_the_densities_that_are_stated_of_them():
    density = linear()
    Z = rows_of(density)
    wide = Mixture(np.ones(1), np.zeros((1, 3)), 0.3 * np.eye(3)[None])
    for evaluator, n_parts in ((None, 2), (density._evaluator, 3)):
        for draws in Proposals(wide, Z, 0, evaluator=evaluator).draw(4096):
            assert len(draws.log_parts) == n_parts
            means = np.exp(draws.log_parts - draws.log_drawn).mean(2)
            np.testing.assert_allclose(means, 1, atol=0.05)


def test_some_draws_are_wide_however_few_there_are():
    density = linear()
    Z = rows_of(density)
    mixture = Mixture(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    for evaluator, n_draws in itertools.product((None, density._evaluator), (2, 3, 4, 7, 16)):
        for draws in Proposals(mixture, Z, 0, evaluator=evaluator).draw(n_draws):
            assert draws.values.shape[1] == n_draws
            # No draw is rarer among those that are made than its part of the wide ones.
            assert (draws.log_drawn >= draws.log_parts[1] - np.log(n_draws) - 1e-9).all()


def test_there_is_none_but_of_flows_onto_few_gaussians():
    density = FlowDensity(n_transforms=1, prior="laplace", max_epochs=1, random_state=0)
    density.fit(correlated(60))
    Z = rows_of(density)
    wide = Mixture(np.ones(1), np.zeros((1, 3)), 0.3 * np.eye(3)[None])
    assert linearised(density._evaluator, Z, list(wide.given(Z))) is None
    draws = Proposals(wide, Z, 0, evaluator=density._evaluator).draw(8)
    assert all(np.isfinite(w).all() for w in log_weights(density._evaluator, Z, draws))

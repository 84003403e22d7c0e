"""The flow's tangent: the law of what is missing where the flow is linear."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from flowkit import FlowDensity
from flowkit.bijections import LULinear
from flowkit.missing._conditionals import Mixture
from flowkit.missing._linearised import linearised
from flowkit.missing._proposals import Proposals, log_weights

from .examples import correlated, with_holes


def linear(d=3):
    mixing = LULinear(d)
    mixing.start(torch.from_numpy(np.cov(correlated().T)).float(), torch.ones(d))
    density = FlowDensity([mixing], n_components=2, max_epochs=1, random_state=0)
    return density.fit(correlated(200))


def rows_of(density):
    Z = with_holes(density._columns.standardise(correlated(40, seed=3)), 0.4)
    return Z[np.isnan(Z).any(1) & ~np.isnan(Z).all(1)]


def test_of_a_linear_flow_it_is_the_law_of_what_is_missing():
    density = linear()
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

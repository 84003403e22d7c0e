"""Lattices that begin at linear prediction within blocks, and whether it is worth it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from flowkit import RGFlowDensity
from flowkit.bijections import Lattice
from flowkit.priors.registry import FACTORISED
from flowkit.starts import ColumnTarget, choose_predictions, share_of_common_levels, start_lattice

from ..estimators.examples import pictures

NORMAL, LAPLACE = (
    ColumnTarget(FACTORISED[name](1, dtype=torch.float64)) for name in ("normal", "laplace")
)


def covariance(shape, reach=2.0):
    """Of a smooth field with a little noise, of unit variance."""
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 2)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    return (np.exp(-distance / reach) + 0.02 * np.eye(len(places))) / 1.02


def draws(shape, n, seed=0):
    factor = np.linalg.cholesky(covariance(shape))
    return np.random.default_rng(seed).normal(size=(n, len(factor))) @ factor.T


def truth(shape, rows):
    factor = np.linalg.cholesky(covariance(shape))
    white = np.linalg.solve(factor, rows.T).T
    normal = -0.5 * (white**2 + math.log(2 * math.pi)).sum(1)
    return normal.mean() - np.log(factor.diagonal()).sum()


def started(rows, shape, target=NORMAL, **options):
    lattice = Lattice(
        rows.shape[1], image_shape=shape, hidden_units=1, n_layers=1, n_predicting=9, **options
    )
    start_lattice(lattice, rows, target)
    return lattice.eval()


def log_density(lattice, rows, target=NORMAL):
    with torch.no_grad():
        z, log_det = (part.double().numpy() for part in lattice(torch.from_numpy(rows).float()))
    return (target.logpdf(z).sum(1) + log_det).mean()


@pytest.mark.parametrize("shape", [(4, 4), (3, 4)])
def test_one_block_reaches_the_gaussian_itself(shape):
    new = draws(shape, 2000, seed=1)
    found = log_density(started(draws(shape, 4000), shape), new)
    assert found == pytest.approx(truth(shape, new), abs=0.1)


@pytest.mark.parametrize("boundary", ["periodic", "open"])
def test_most_of_what_neighbours_tell_is_found(boundary):
    shape = (10, 12)
    new = draws(shape, 500, seed=1)
    independent = NORMAL.logpdf(new).sum(1).mean()
    found = log_density(started(draws(shape, 1000), shape, boundary=boundary), new)
    assert found < truth(shape, new)
    assert found - independent > 0.75 * (truth(shape, new) - independent)


def test_residuals_are_scaled_to_the_target():
    """Rows of heavy tails are no less likely than by any other scale."""
    rng = np.random.default_rng(0)
    rows = rng.standard_t(3, size=(3000, 16))
    lattice = started(rows, (4, 4), LAPLACE)
    z = lattice(torch.from_numpy(rows).float())[0].detach().numpy()
    best = np.abs(z).mean() / math.sqrt(0.5)
    assert best == pytest.approx(1, abs=0.06)


def chosen(rows, shape, weight=None, n_levels=2):
    rng = np.random.RandomState(0)
    return choose_predictions(rows, weight, NORMAL, n_levels, rng, image_shape=shape)


def test_predictions_are_kept_where_they_are_worth_it():
    names = chosen(draws((8, 8), 300), (8, 8))
    assert len(names) == 4 * 3
    assert not chosen(np.random.default_rng(0).normal(size=(300, 64)), (8, 8))
    assert not chosen(draws((8, 8), 300), (8, 8), n_levels=0)
    assert not chosen(draws((8, 8), 5), (8, 8))


def test_rows_count_by_their_weights():
    fields, noise = draws((4, 4), 400), np.random.default_rng(0).normal(size=(400, 16))
    rows = np.concatenate((fields, noise))
    weight = np.repeat([1.0, 0.0], 400)
    weighted, alone = chosen(rows, (4, 4), weight, 1), chosen(fields, (4, 4), None, 1)
    name = "bijectors.0.prediction.weight"
    np.testing.assert_allclose(weighted[name], alone[name], atol=0.1)
    assert np.abs(weighted[name]).max() > 0.2
    assert not chosen(rows, (4, 4), weight[::-1], 1)


def test_densities_of_blocks_begin_there():
    fields, new = pictures(200, (8, 8)), pictures(100, (8, 8), seed=1)
    assert share_of_common_levels(fields) < 0.5
    options = {"layout": "blocks", "n_layers": 1, "hidden_units": 4, "max_epochs": 1}
    options |= {"learning_rate": 1e-12, "random_state": 0}
    bits = {
        shared: RGFlowDensity((8, 8), share_levels=shared, **options).fit(fields).bits_per_dim(new)
        for shared in (False, True)
    }
    # Levels that share bijectors begin as independent pixels.
    assert bits[False] < bits[True] - 0.3
    # Black and white say little of each other's noise.
    flat = np.where(fields > 100, 255, 0).astype(np.uint8)
    assert share_of_common_levels(flat) == 1
    drawn = RGFlowDensity((8, 8), **options).fit(flat)
    assert all(bijector.prediction is None for bijector in drawn._lattice().bijectors)
    clusters = RGFlowDensity((8, 8), top_prior="topic", n_topics=2, **options).fit(fields)
    predictions = [bijector.prediction for bijector in clusters._lattice().bijectors]
    assert [prediction is None for prediction in predictions] == [False, False, True, True]


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_heavy_rows_do_not_judge_what_they_have_fitted(seed):
    rng = np.random.default_rng(seed)
    noise, weight = rng.normal(size=(300, 64)), np.exp(2 * rng.normal(size=300))
    assert not chosen(noise, (8, 8), weight)


def test_common_levels_are_those_of_the_weights():
    fields = pictures(60, (8, 8))
    flat = np.where(fields > 100, 255, 0).astype(np.uint8)
    both = np.concatenate((fields, flat)).reshape(120, -1)
    weight = np.repeat([1.0, 1e-9], 60)
    alone = share_of_common_levels(fields.reshape(60, -1))
    assert share_of_common_levels(both, weight) == pytest.approx(alone, abs=1e-6)
    assert share_of_common_levels(both, weight[::-1]) > 0.99

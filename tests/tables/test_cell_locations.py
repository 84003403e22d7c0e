"""Rows lie within the cells of a table so that columns go on together there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtri
from scipy.stats import kstest
from sklearn.covariance import ledoit_wolf
from sklearn.mixture import GaussianMixture

from flowkit.tables._cell_locations import _OWN_SHARE, _correlations, locations_in_cells

from .examples import mixture_table

N, CORRELATION = 1500, 0.8


def _latent(rng, n=N):
    return rng.multivariate_normal([0, 0, 0], 0.2 * np.eye(3) + CORRELATION, size=n)


def _cut(latent):
    """One column as it is, one of two levels, one of three."""
    return np.column_stack([latent[:, 0], latent[:, 1] > 0.5, np.digitize(latent[:, 2], [-1, 0.3])])


def _points(rows, ranks):
    """Standard normal points by the share of rows below each, and the rank among its equals."""
    below = np.stack([(x[:, None] > x).mean(1) for x in rows.T], axis=-1)
    equal = np.stack([(x[:, None] == x).mean(1) for x in rows.T], axis=-1)
    return ndtri(np.clip(below + equal * ranks, 1e-6, 1 - 1e-6))


def test_points_have_the_correlations_that_were_cut_into_cells(rng):
    rows = _cut(_latent(rng))
    found = np.corrcoef(
        _points(rows, locations_in_cells(rows, None, np.random.RandomState(0))[0]).T
    )
    by_themselves = np.corrcoef(_points(rows, rng.uniform(size=rows.shape)).T)
    off = ~np.eye(3, dtype=bool)
    assert np.abs(found[off] - CORRELATION).max() < 0.07
    assert by_themselves[off].max() < CORRELATION - 0.1


HARD = {
    "plain": lambda rows, rng: rows,
    "repeated": lambda rows, rng: np.hstack([rows, rows[:, 1:]]),
    "constant": lambda rows, rng: np.column_stack([rows, np.full(len(rows), 3.0)]),
    "alone": lambda rows, rng: rows[:, 1:2],
    "many columns": lambda rows, rng: np.hstack([rows[:90], rng.integers(0, 2, (90, 40))]),
    "few rows": lambda rows, rng: rows[:3],
    "one row": lambda rows, rng: rows[:1],
}


@pytest.mark.parametrize("name", HARD)
def test_ranks_are_in_the_unit_interval_and_uniform(name, rng):
    rows = HARD[name](_cut(_latent(rng)), rng)
    ranks = locations_in_cells(rows, None, np.random.RandomState(0))[0]
    assert ranks.shape == rows.shape
    assert np.isfinite(ranks).all()
    assert ((ranks >= 0) & (ranks <= 1)).all()
    if len(rows) == N:
        level = rows[:, min(1, rows.shape[1] - 1)]
        assert kstest(ranks[level == 0, min(1, rows.shape[1] - 1)], "uniform").statistic < 0.08
    assert_array_equal(ranks, locations_in_cells(rows, None, np.random.RandomState(0))[0])


def test_missing_values_and_weights(rng):
    latent = _latent(rng)
    rows = _cut(latent)
    rows[rng.uniform(size=rows.shape) < 0.2] = np.nan
    ranks = locations_in_cells(rows, None, np.random.RandomState(0))[0]
    known = ~np.isnan(rows[:, 1]) & ~np.isnan(rows[:, 0])
    inside = rows[known, 1] == 1
    assert np.corrcoef(rows[known, 0][inside], ranks[known, 1][inside])[0, 1] > 0.2
    # Rows that turn the columns around weigh nothing.
    both = np.vstack([_cut(latent), _cut(latent * [1, -1, 1])])
    weight = np.repeat([1.0, 1e-9], N)
    ranks = locations_in_cells(both, weight, np.random.RandomState(0))[0][:N]
    assert np.corrcoef(both[:N, 0][both[:N, 1] == 0], ranks[both[:N, 1] == 0, 1])[0, 1] > 0.3


def test_weights_count_where_correlations_are_shrunk(rng):
    n, d = 90, 20
    common = rng.normal(size=(n, 1))
    sign = np.where(np.arange(n)[:, None] < n // 2, 1.0, np.tile([1.0, -1.0], d // 2))
    points = sign * common + 0.5 * rng.normal(size=(n, d))
    for side in (1.0, -1.0):
        light = np.arange(n) < n // 2 if side < 0 else np.arange(n) >= n // 2
        found = _correlations(points, np.where(light, 1e-6, 1.0))
        neighbours = np.diagonal(found, 1)
        assert (side * neighbours > 0.4).all()
        assert_allclose(found, _correlations(points[~light], np.ones((~light).sum())), atol=1e-3)


@pytest.mark.parametrize("shape", [(60, 20), (99, 20), (12, 3), (51, 40)])
def test_few_rows_are_shrunk_as_ledoit_and_wolf_do(shape, rng):
    points = rng.normal(size=shape) + rng.normal(size=(shape[0], 1))
    covariance = ledoit_wolf(points)[0]
    scale = np.sqrt(np.diag(covariance))
    expected = covariance / np.outer(scale, scale)
    off = ~np.eye(shape[1], dtype=bool)
    for weight in (1.0, 7.0):
        found = _correlations(points, np.full(shape[0], weight))
        assert_allclose(found[off], (1 - _OWN_SHARE) * expected[off], atol=1e-12)


@pytest.mark.parametrize("heaviest", [1e6, 1e30, 1e200])
def test_one_row_that_carries_all_the_weight_leaves_ranks(heaviest, rng):
    rows = _cut(_latent(rng, 200))
    weight = np.append(np.ones(199), heaviest)
    ranks = locations_in_cells(rows, weight, np.random.RandomState(0))[0]
    assert ((ranks >= 0) & (ranks <= 1)).all()


def test_more_rows_than_correlations_are_learned_from(rng, monkeypatch):
    monkeypatch.setattr("flowkit.tables._cell_locations._MAX_ROWS", 400)
    rows = _cut(_latent(rng))
    points = _points(rows, locations_in_cells(rows, None, np.random.RandomState(0))[0])
    assert np.corrcoef(points.T)[0, 1] == pytest.approx(CORRELATION, abs=0.08)


def test_draws_keep_associations_of_categories(rng):
    rows = _cut(_latent(rng))
    X = pd.DataFrame({"x": rows[:, 0], "sex": np.where(rows[:, 1] > 0, "f", "m")})
    X["size"] = np.array(["s", "m", "l"])[rows[:, 2].astype(int)]
    drawn = mixture_table(GaussianMixture(1)).fit(X).sample(4 * N, random_state=0)

    def gap(table):
        return np.diff(table.groupby("sex")["x"].mean())[0]

    # Locations drawn by themselves leave two thirds of it.
    assert gap(drawn) == pytest.approx(gap(X), rel=0.12)

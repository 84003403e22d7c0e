"""Neighbours among ranks, beside all distances computed one by one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from flowkit.outliers import RankedNeighbors
from flowkit.outliers.views._normal_scores import NormalScores

K = 3


def rows(n=60, d=3, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d))
    X[:, 0] = np.round(X[:, 0])
    return np.vstack([X, X[:5], X[:2]])


def log_density(z, others, n):
    """By the mean distance from the nearest of other rows."""
    nearest = np.sort(np.linalg.norm(others - z, axis=1))[:K]
    d, radius = len(z), max(nearest.mean(), 1e-9)
    return (
        np.log(len(nearest) / n) - (d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)) - d * np.log(radius)
    )


def without_one(Z, z):
    """All rows but one that equals z, if there is one."""
    same = np.flatnonzero((z == Z).all(1))
    return np.delete(Z, same[:1], axis=0)


@pytest.mark.parametrize("d", [1, 3, 6])
def test_a_row_is_scored_by_all_others(d):
    X = rows(d=d)
    view = RankedNeighbors(n_neighbors=K).fit(X)
    new = np.vstack([X, rows(d=d, seed=1)])
    to_z = NormalScores(X)
    Z = to_z(X)
    expected = [log_density(z, without_one(Z, z), len(X)) for z in to_z(new)]
    np.testing.assert_allclose(view.score_samples(new), expected, rtol=1e-9)


@pytest.mark.parametrize("d", [1, 3, 6])
def test_copies_are_scored_without_the_row_that_they_were_made_from(d):
    X = rows(d=d)
    view = RankedNeighbors(n_neighbors=K).fit(X)
    to_z = NormalScores(X)
    Z = to_z(X)
    origins = np.vstack([X[:10], rows(d=d, seed=1)[:5]])
    copies = np.repeat(origins, 4, axis=0)
    copies[::4, 0] += 1
    copies[1::4, 0] = 0.05
    copies[2::4] = X[20:35]
    expected = []
    for copy, origin in zip(to_z(copies), np.repeat(to_z(origins), 4, axis=0), strict=True):
        others = without_one(Z, copy)
        others = others if (copy == origin).all() else without_one(others, origin)
        expected.append(log_density(copy, others, len(X)))
    np.testing.assert_allclose(view._score_copies(copies, origins), expected, rtol=1e-9)


def test_a_copy_that_is_its_row_has_the_score_of_the_row():
    X = rows()
    view = RankedNeighbors().fit(X)
    np.testing.assert_array_equal(view._score_copies(X, X), view.score_samples(X))


def test_at_most_so_many_rows_are_kept():
    X = rows(500)
    few, again, other = (
        RankedNeighbors(max_rows=50, random_state=seed).fit(X).score_samples(X)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(few, again)
    assert np.abs(few - other).max() > 0.1
    every = RankedNeighbors(max_rows=len(X)).fit(X).score_samples(X)
    assert np.corrcoef(few, every)[0, 1] > 0.7


def test_a_new_level_is_no_stranger_than_a_value_far_off():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(300, 2)), rng.integers(3, size=300)])
    view = RankedNeighbors(categorical_features=[2]).fit(X)
    known, new, far = view.score_samples([[0, 0, 1], [0, 0, 7], [1e6, 0, 1]])
    assert far < new < known


def test_a_heavy_tail_hides_no_other_column():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_cauchy(300) ** 3, rng.normal(size=300)])
    view = RankedNeighbors().fit(X)
    scores = view.score_samples([[np.median(X[:, 0]), 6.0]])
    assert scores < np.quantile(view.score_samples(X), 0.02)

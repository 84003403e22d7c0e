"""Rows with missing values are explained by what is known of them, with little work."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.base import BaseEstimator

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity
from flowkit.nested import score_copies
from flowkit.outliers import _copied_rows

from .examples import KERNEL, SMALL

COVARIANCE = 0.6 + 0.4 * np.eye(4)


class Normal(BaseEstimator):
    """Correlated normal columns, whose density of what is known is exact."""

    n_scored = 0

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        X = np.asarray(X, dtype=float)
        self.n_scored += len(X)
        scores = np.zeros(len(X))
        patterns, group = np.unique(np.isnan(X), axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            rows, known = group.reshape(-1) == i, np.flatnonzero(~pattern)
            if known.size:
                covariance = COVARIANCE[np.ix_(known, known)]
                density = stats.multivariate_normal(np.zeros(len(known)), covariance)
                scores[rows] = density.logpdf(X[rows][:, known])
        return scores

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def rows(n=500, seed=0):
    return np.random.default_rng(seed).multivariate_normal(np.zeros(4), COVARIANCE, size=n)


def incomplete(n=12, seed=1):
    X = rows(n, seed)
    X[::3, 0] += 5
    for i in range(n):
        X[i, np.random.default_rng(i).permutation(4)[: i % 3 + 1]] = np.nan
    return X


def gappy(n=500):
    """Training rows of which none is complete."""
    X = rows(n)
    X[np.arange(n), np.arange(n) % 4] = np.nan
    return X


@pytest.mark.parametrize(("training", "error"), [(rows, 1e-4), (gappy, 1e-3)])
def test_effects_of_incomplete_rows_are_exact_where_the_density_is(training, error):
    X = incomplete()
    effects = DensityOutlierDetector(Normal(), random_state=0).fit(training()).explain(X)
    for row, got in zip(X, effects, strict=True):
        known = np.flatnonzero(~np.isnan(row))
        precision = np.linalg.inv(COVARIANCE[np.ix_(known, known)])
        z = precision @ row[known] / np.sqrt(np.diag(precision))
        np.testing.assert_allclose(got[known], (z**2 - 1) / 2, atol=error)
        np.testing.assert_array_equal(got[np.isnan(row)], 0.0)


def test_rows_are_explained_alike_whether_others_are_incomplete():
    detector = DensityOutlierDetector(
        FlowDensity(**SMALL, missing="marginalize"), random_state=0
    ).fit(rows())
    new = np.vstack([incomplete(5), rows(5, seed=2)])[np.random.default_rng(0).permutation(10)]
    together = detector.explain(new)
    alone = np.vstack([detector.explain(row[None]) for row in new])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-7)


def table(X):
    return pd.DataFrame(X, columns=list("abcd")).assign(kind=np.where(X[:, 0] > 0, "cat", "dog"))


DENSITIES = {
    "flow": (FlowDensity(**SMALL, missing="marginalize"), lambda X: X),
    "kernels": (
        FlowDensity(
            **{**KERNEL, "bandwidth_factor": 1.0}, learning_rate=3e-4, missing="marginalize"
        ),
        np.array,
    ),
    "table": (TableDensity(FlowDensity(**SMALL, missing="marginalize"), n_draws=32), table),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_few_draws_say_what_many_do(name, monkeypatch):
    density, container = DENSITIES[name]
    detector = DensityOutlierDetector(density, random_state=0).fit(container(rows(300)))
    X = incomplete(8)
    few = detector.explain(container(X))
    monkeypatch.setattr(_copied_rows, "_N_DRAWS", 256)
    many = detector.explain(container(X))
    np.testing.assert_allclose(few, many, atol=0.5, rtol=0.2)
    np.testing.assert_array_equal(few.argmax(1), many.argmax(1))
    assert np.abs(few - many).max() > 0


def test_tables_without_cells_are_drawn_for_as_their_density():
    density = FlowDensity(**SMALL, missing="marginalize")
    table = TableDensity(density, random_state=0).fit(rows(300))
    X = incomplete(8)
    copies = np.repeat(X, 3, axis=0)
    got = score_copies(table, copies, X, 8)
    np.testing.assert_allclose(got, score_copies(table.density_, copies, X, 8), atol=1e-9)
    assert np.abs(got - table.score_samples(copies)).max() > 1e-6


def test_work_for_an_incomplete_row_is_bounded():
    """About half the copies of a complete one, and each with few draws."""
    detector = DensityOutlierDetector(Normal(), random_state=0).fit(rows())
    density = detector.densities_[0]
    counts = []
    for row in (rows(1, seed=3), np.where([True, False, False, False], np.nan, rows(1, seed=3))):
        density.n_scored = 0
        detector.explain(row)
        counts.append(density.n_scored)
    complete, partial = counts
    assert complete <= 1 + 4 * 89
    assert partial <= 1 + 3 * 46
    assert _copied_rows._N_DRAWS <= 8

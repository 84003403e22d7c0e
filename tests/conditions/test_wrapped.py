"""Wrapped densities say what they say bare: without kernels on rows, and with their errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator

from flowkit import FlowDensity, TableDensity, TransformedDensity
from flowkit.missing import N_DRAWS

from ..missing.examples import correlated
from .examples import QUICK

WRAPPERS = {
    "transformed": lambda density: TransformedDensity("passthrough", density),
    "table": lambda density: TableDensity(density, random_state=0),
    "both": lambda density: TableDensity(
        TransformedDensity("passthrough", density), random_state=0
    ),
}
wrapped = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)


class Estimated(BaseEstimator):
    """A density that is known to a quarter of a nat."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def score_samples(self, X, return_std=False):
        log_density = -0.5 * (np.asarray(X) ** 2).sum(1)
        return (log_density, np.full(len(X), 0.25)) if return_std else log_density


@wrapped
def test_kernels_on_rows_are_left_out_of_what_is_given_too(wrap):
    X = correlated(40)
    bare = FlowDensity(n_transforms=0, prior="kernel", **QUICK)
    density = wrap(FrozenEstimator(bare.fit(X))).fit(X)
    rows = np.concatenate([X[:5], X[:5] + 0.01])
    for given in ([1, 2], [0]):
        found = density.score_samples(rows, given=given)
        np.testing.assert_allclose(found, bare.score_samples(rows, given=given), atol=1e-8)


def test_kernels_on_rows_are_left_out_behind_maps_that_mix_columns():
    X = correlated(40)
    turned = FlowDensity(n_transforms=0, prior="kernel", early_stopping=False, **QUICK)
    density = TransformedDensity(PCA(3), turned).fit(X)
    # Other numbers of rows are turned with another rounding.
    rows = X
    found = density.score_samples(rows, given=[1])
    joint, questions = density.score_samples(rows), density._questions()
    known = np.where(np.arange(3) == 1, rows, np.nan)
    counted, _ = questions.log_density(known, N_DRAWS)
    own = density._own_kernels(rows)
    assert (own >= 0).all()
    left_out, _ = questions.log_density(known, N_DRAWS, own)
    assert (np.abs(left_out - counted) > 1e-3).any()
    np.testing.assert_allclose(found, joint - left_out)


@wrapped
def test_errors_of_scores_are_those_of_the_density(wrap):
    X = np.random.default_rng(0).normal(size=(30, 2))
    scores, error = wrap(Estimated()).fit(X).score_samples(X, return_std=True)
    np.testing.assert_allclose(error, 0.25)
    np.testing.assert_allclose(scores, Estimated().score_samples(X))


def test_errors_of_tables_with_levels_hold_that_of_the_density():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=30), "level": rng.choice(["a", "b"], 30)})
    density = TableDensity(Estimated(), random_state=0).fit(table)
    _, error = density.score_samples(table, return_std=True)
    assert (error > 0.24).all()

"""TableDensity as any estimator: rows that come back, draws, searches, weights, checks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from flowkit import FlowDensity, TableDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from ..table import WRAPPERS
from .examples import DECLARED, FRAME_KINDS, INNER, objects, table


def test_a_frame_comes_back_as_it_was(frame):
    fitted = table(INNER["flow"], **DECLARED).fit(frame)
    drawn = fitted.sample(200, random_state=1)
    assert_array_equal(drawn.dtypes, frame.dtypes)
    assert_array_equal(drawn.columns, frame.columns)
    assert np.isfinite(fitted.score_samples(drawn)).all()
    pd.testing.assert_frame_equal(drawn, fitted.sample(200, random_state=1))
    assert drawn["hour"].between(0, 24).all()
    assert drawn.groupby("size", observed=True)["weight"].median().is_monotonic_increasing
    assert_allclose((drawn["size"] == "S").mean(), 0.5, atol=0.12)


def test_polars_frames_are_like_pandas_frames(frame):
    sizes = pl.Enum(["S", "M", "L", "XL"])
    plain = frame.astype({"size": str, "children": "int64"})
    table_of_polars = pl.DataFrame(plain.to_dict("list")).cast(
        {"size": sizes, "colour": pl.Categorical, "age": pl.Int16}
    )
    fitted = table(**DECLARED).fit(table_of_polars)
    assert fitted.kinds_ == FRAME_KINDS
    assert fitted.sample(3, random_state=0).schema == table_of_polars.schema
    unordered = frame.assign(size=frame["size"].cat.as_unordered())
    expected = table(**DECLARED).fit(unordered).score_samples(unordered)
    assert_allclose(fitted.score_samples(table_of_polars), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("X", "dtype"),
    [
        (np.array([["a", "x"], ["b", "y"]]), "<U1"),
        (np.array([["a", 1.5], ["b", 2]], dtype=object), object),
        (np.array([[1, 2], [3, 5]], dtype=np.uint8), np.uint8),
        (np.array([[1.5, 2], [3, 5]], dtype=np.float32), np.float64),
        (np.array([[True, False], [False, True]]), bool),
        ([["a", 1.5], ["b", 2]], object),
    ],
    ids=str,
)
def test_arrays_come_back_as_arrays(X, dtype):
    rows = [row for row in X for _ in range(20)] if isinstance(X, list) else np.repeat(X, 20, 0)
    drawn = table(KernelDensity()).fit(rows).sample(50, random_state=0)
    assert drawn.shape == (50, 2)
    assert drawn.dtype == dtype


def test_draws_stay_within_support(rng):
    X = np.column_stack(
        [
            rng.uniform(size=100) ** 5,
            rng.integers(0, 4, 100),
            rng.normal(size=100),
            rng.integers(-9, 9, 100),
        ]
    )
    fitted = table(
        KernelDensity(bandwidth=2.0),
        bounds={0: (0, 1), 1: (0, 3)},
        periods={2: (-1, 2)},
    ).fit(X)
    drawn = fitted.sample(2000, random_state=0)
    assert (drawn >= [0, 0, -1, -np.inf]).all()
    assert (drawn <= [1, 3, 1, np.inf]).all()
    assert_array_equal(drawn[:, [1, 3]], np.round(drawn[:, [1, 3]]))
    assert np.isfinite(fitted.score_samples(drawn)).all()


def test_draws_have_the_scored_probabilities(rng):
    level = rng.choice(["a", "b", "c"], p=[0.6, 0.3, 0.1], size=300)
    X = objects(level, rng.integers(0, 3, 300))
    fitted = table(cells="probability", n_draws=512).fit(X)
    drawn = fitted.sample(4000, random_state=0)
    for k in "abc":
        rows = objects([k] * 3, [0, 1, 2])
        share = [np.mean((drawn[:, 0] == k) & (drawn[:, 1] == i)) for i in range(3)]
        assert_allclose(np.exp(fitted.score_samples(rows)), share, atol=0.03)


def test_a_density_that_cannot_be_sampled_says_so(rng):
    X = rng.normal(size=(50, 2))
    with pytest.raises(InvalidParameterError, match=r"(?s)Pipeline.* cannot be sampled"):
        table(make_pipeline(StandardScaler(), KernelDensity())).fit(X).sample()
    with pytest.raises(InvalidParameterError, match="cannot be sampled"):
        table(KernelDensity(kernel="cosine")).fit(X).sample()
    with pytest.raises(InvalidDataError, match="n_samples"):
        table().fit(X).sample(0)


def test_one_seed_makes_a_fit_repeatable(frame):
    density = clone(INNER["flow"]).set_params(random_state=None)
    first, same, other = (
        table(density, random_state=seed).fit(frame[:100]).score_samples(frame[:20])
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_it_is_searched_like_any_estimator(frame):
    search = GridSearchCV(
        table(KernelDensity(), kinds={"age": "continuous"}, **DECLARED),
        {"density__bandwidth": [0.2, 1.0], "cells": ["density"]},
        cv=2,
    ).fit(frame[:80])
    assert np.isfinite(search.best_score_)
    assert isinstance(search.best_estimator_.density_, KernelDensity)


def test_the_default_density_is_a_flow(rng):
    fitted = TableDensity(random_state=0).fit(rng.integers(0, 3, size=(12, 1)))
    assert isinstance(fitted.density_, FlowDensity)


def test_a_density_that_spreads_ties_does_so_in_each_epoch(rng):
    X = np.column_stack([rng.integers(0, 5, 200), rng.normal(size=200), rng.integers(0, 5, 200)])
    fitted = table(INNER["flow"], bounds={2: (0, None)}).fit(X)
    assert_array_equal(fitted.density_.dequantization_, [1, 0, 0])
    alone = clone(INNER["flow"]).set_params(dequantize=None)
    assert_array_equal(table(alone).fit(X).density_.dequantization_, 0)


def test_weights_count_rows(rng):
    X = objects(rng.choice(["a", "b"], size=60), rng.normal(size=60))
    weight = rng.integers(0, 3, 60)
    fitted = table(KernelDensity()).fit(X, sample_weight=weight)
    shares = fitted._codecs[0].frequencies
    counts = np.array([weight[X[:, 0] == k].sum() for k in fitted.categories_[0]])
    assert_allclose(shares, (counts + 0.5) / (counts.sum() + 1))
    zero_or_one = weight > 0
    left_out = table(KernelDensity()).fit(X[zero_or_one]).score_samples(X)
    weightless = table(KernelDensity()).fit(X, sample_weight=zero_or_one).score_samples(X)
    assert_allclose(weightless, left_out, atol=1e-9)
    with pytest.raises(InvalidParameterError, match="GaussianMixture takes no sample_weight"):
        table().fit(X, sample_weight=weight)
    with pytest.raises(InvalidDataError, match="leaves 1 row"):
        table(KernelDensity()).fit(X, sample_weight=np.eye(60)[0])


class NormalWithHoles(BaseEstimator):
    """Independent normal columns; missing values are integrated out."""

    def __init__(self, missing="marginalize"):
        self.missing = missing

    def fit(self, X, y=None):
        self.normal_ = norm(np.nanmean(X, axis=0), np.nanstd(X, axis=0))
        return self

    def score_samples(self, X):
        return np.nansum(self.normal_.logpdf(X), axis=1)


def test_missing_values_pass_to_a_density_that_takes_them(frame):
    for column in ("size", "colour", "age", "share", "hour", "score"):
        holes = frame.index % 7 == list(frame).index(column) % 7
        frame[column] = (
            frame[column].astype("Int16" if column == "age" else frame[column].dtype).mask(holes)
        )
    fitted = table(NormalWithHoles(), **DECLARED, n_draws=1024).fit(frame)
    assert np.isfinite(fitted.score_samples(frame)).all()
    blank = frame[["size", "colour", "new", "hour"]].assign(colour=None, hour=np.nan)
    fitted = table(NormalWithHoles(), periods={"hour": 24}, n_draws=1024).fit(frame[list(blank)])
    levels = fitted.categories_["colour"]
    by_level = [fitted.score_samples(blank[:5].assign(colour=k)) for k in levels]
    assert_allclose(logsumexp(by_level, axis=0), fitted.score_samples(blank[:5]), atol=2e-3)
    # The angle of one turn is counted once.
    assert_allclose(np.exp(fitted.score_samples(blank[:1].assign(size=None, new=None))), 1)
    with pytest.raises(InvalidDataError, match=r"NaN in column.s. size"):
        table(NormalWithHoles(missing=None)).fit(frame)


# Before 1.7, scikit-learn subtracts a float from the integers of this check in place.
SUBTRACTS_FLOATS = {"check_positive_only_tag_during_fit": "the check itself fails on integers"}
EXPECTED_FAILURES = (
    {} if parse_version(sklearn.__version__) >= parse_version("1.7") else SUBTRACTS_FLOATS
)


@parametrize_with_checks(
    [WRAPPERS["table"](), WRAPPERS["table_cells"]()],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([WRAPPERS["table_flow"]()])
def test_scikit_learn_checks_around_a_flow(estimator, check):
    check(estimator)

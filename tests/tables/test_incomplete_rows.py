"""Incomplete rows of a table: bounded work, and scores that do not depend on it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity
from flowkit.exceptions import SlowScoringWarning
from flowkit.tables import _encoded_density
from flowkit.tables._scoring_plan import plan, warn_if_slow

from .examples import mixture_table


class CountedDraws(BaseEstimator):
    """Independent standard normal columns; says how often it was asked, and errs as told."""

    def __init__(self, error=0.1, missing="marginalize"):
        self.error = error
        self.missing = missing

    def fit(self, X, y=None):
        self.asked_ = []
        return self

    def score_samples(self, X):
        self.asked_.append(len(X))
        return np.nansum(-0.5 * X**2 - 0.5 * np.log(2 * np.pi), axis=1, where=~np.isnan(X))

    def score_marginal(self, X, n_draws=256):
        scores = self.score_samples(X)
        self.asked_[-1] *= n_draws
        return scores, np.where(np.isnan(X).any(1), self.error, 0.0)


@pytest.fixture
def holed(rng):
    X = pd.DataFrame(
        {
            "size": rng.choice(["S", "M", "L"], 100),
            "colour": rng.choice(["red", "blue"], 100),
            "hour": rng.uniform(0, 24, 100),
            "x": rng.normal(size=100),
        }
    )
    for j, column in enumerate(X):
        X.loc[j * 10 : j * 10 + 5, column] = np.nan
    X.loc[90:, ["size", "colour", "x"]] = np.nan
    return X


@pytest.mark.parametrize("n_draws", [128, 512])
def test_incomplete_rows_take_a_bounded_number_of_evaluations(holed, n_draws):
    fitted = mixture_table(CountedDraws(), periods={"hour": 24}, n_draws=n_draws).fit(holed)
    times = []
    for i in range(len(holed)):
        fitted.density_.asked_.clear()
        fitted.score_samples(holed[i : i + 1])
        turns = 1 if pd.isna(holed["hour"][i]) else 3
        incomplete = holed[i : i + 1].isna().any(axis=None)
        no_cell = holed.loc[i, ["size", "colour"]].isna().all()
        each = 256 if no_cell else 64 * n_draws // 8 if incomplete else n_draws
        if incomplete:
            assert sum(fitted.density_.asked_) == turns * each
        else:
            times.append(sum(fitted.density_.asked_) / (turns * each))
    # Errors decide whether the first half of the points is enough, and where more are needed.
    assert set(times) <= {0.5, 1.0, 2.0, 4.0, 8.0, 16.0}
    assert np.mean(times) <= 1.0


def test_incomplete_rows_keep_their_scores_and_errors(holed):
    fitted = mixture_table(CountedDraws(error=0.05), periods={"hour": 24}).fit(holed)
    scores, error = fitted.score_samples(holed, return_std=True)
    some = np.arange(0, 100, 4)
    one_by_one = [fitted.score_samples(holed[i : i + 1], return_std=True) for i in some]
    assert_allclose(np.column_stack(one_by_one), [scores[some], error[some]], atol=1e-12)
    fine = clone(fitted).set_params(n_draws=2**14).fit(holed).score_samples(holed)
    assert np.mean(np.abs(scores - fine) <= 2 * error + 1e-9) > 0.95
    no_cell = holed[["size", "colour"]].isna().all(axis=1)
    assert_allclose(error[no_cell], 0.05)
    in_cells = holed.isna().any(axis=1) & ~no_cell
    alone = mixture_table(CountedDraws(error=0.0), periods={"hour": 24}).fit(holed)
    _, of_points = alone.score_samples(holed, return_std=True)
    assert_allclose(error[in_cells], np.hypot(0.05, of_points[in_cells]))


def test_incomplete_rows_of_a_flow_agree_with_many_draws(rng):
    n = 150
    level = rng.choice(["a", "b"], n)
    X = pd.DataFrame({"level": level, "x": rng.normal(level == "a"), "y": rng.normal(size=n)})
    X["y"] += X["x"] ** 2
    X.loc[::5, "y"] = np.nan
    flow = FlowDensity(
        n_transforms=1, hidden_units=8, max_epochs=4, missing="marginalize", random_state=0
    )
    fitted = mixture_table(flow).fit(X)
    rows = X[::5]
    score, error = fitted.score_samples(rows, return_std=True)
    exact = fitted.set_params(n_draws=2048).score_samples(rows)
    assert np.mean(np.abs(score - exact) < 2 * error) > 0.9
    assert error.max() < 0.3


def test_long_work_is_announced_before_it_begins(holed, monkeypatch):
    fitted = mixture_table(CountedDraws(), periods={"hour": 24}).fit(holed)

    def refuse(*_):
        raise RuntimeError("begun")

    monkeypatch.setattr(fitted.density_, "score_samples", refuse)
    large = pd.concat([holed.assign(x=holed["x"] + i) for i in range(200)])
    with (
        pytest.warns(SlowScoringWarning, match=r"20000 .*rows.*n_draws"),
        pytest.raises(RuntimeError, match="begun"),
    ):
        fitted.score_samples(large)
    with warnings.catch_warnings(record=True) as record, pytest.raises(RuntimeError):
        fitted.score_samples(holed)
    assert not record


@pytest.mark.parametrize("is_slow", [False, True])
def test_work_is_counted_by_the_draws_that_come_first(is_slow):
    missing = np.tile([True, False], (600_000 if is_slow else 200_000, 1))
    shares = plan(missing, np.array([False, False]), 128, True)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        warn_if_slow(shares, 1)
    assert [each.category for each in record] == [SlowScoringWarning] * is_slow


def test_every_row_is_in_one_share(rng):
    missing = rng.random((200, 5)) < 0.4
    for celled in ([True, False, True, False, False], [False] * 5):
        for marginalizes in (True, False):
            shares = plan(missing, np.array(celled), 64, marginalizes)
            rows = np.concatenate([share.rows for share in shares])
            assert_array_equal(np.sort(rows), np.arange(200))


def test_the_error_of_a_single_cell_is_small_and_covers(rng):
    level = rng.choice(list("abc"), 300, p=[0.6, 0.3, 0.1])
    X = pd.DataFrame({"level": level, "x": rng.normal(level == "a", 0.5)})
    fitted = mixture_table(GaussianMixture(4, random_state=0)).fit(X)
    score, error = fitted.score_samples(X, return_std=True)
    exact = fitted.set_params(n_draws=2**14).score_samples(X)
    assert np.mean(np.abs(score - exact) <= 2 * error) > 0.95
    assert np.sqrt(np.mean((score - exact) ** 2)) < 0.002
    # The spread of 32 points, a quarter, as if they were random would be more than this.
    assert error.mean() < 0.04


def test_the_number_of_values_of_a_chunk_changes_no_score(mixed, monkeypatch):
    fitted = mixture_table().fit(mixed)
    scores = fitted.score_samples(mixed)
    monkeypatch.setattr(_encoded_density, "_CHUNK_VALUES", 3000)
    assert_allclose(fitted.score_samples(mixed), scores, atol=1e-9)

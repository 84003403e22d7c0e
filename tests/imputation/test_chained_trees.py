"""Trees of each column: those of scikit-learn's in plain arrays, and draws of single ones."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.imputation import _forest
from flowkit.imputation._chained_trees import _MAX_ROWS, ChainedTrees
from flowkit.imputation._forest import _N_TREES, Forest, _regressor

from .examples import numbers


@pytest.fixture(scope="module")
def trees():
    return ChainedTrees.fitted(numbers()[0], np.random.RandomState(0))


def test_forests_predict_what_those_of_scikit_learn_do():
    X, y = np.random.default_rng(0).normal(size=(2, 80, 3))
    forest = Forest.grown(X, y[:, 0], 2.0, seed=3)
    model = _regressor(3).fit(X, y[:, 0] / 2.0)
    others = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    np.testing.assert_allclose(forest.mean(others), 2.0 * model.predict(others), rtol=1e-9)
    single = forest.predict(others, np.arange(40), np.full(40, 7))
    np.testing.assert_allclose(single, 2.0 * model.estimators_[7].predict(others), rtol=1e-9)


def test_means_of_many_rows_hold_few_values_at_once(monkeypatch):
    X = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    forest = Forest.grown(X, X[:, 0].astype(float), 1.0, seed=0)
    whole, sizes, predict = forest.mean(X), [], Forest.predict

    def counted(forest, X, rows, trees):
        sizes.append(len(rows))
        return predict(forest, X, rows, trees)

    monkeypatch.setattr(_forest, "_MAX_VALUES", 15 * _N_TREES)
    monkeypatch.setattr(Forest, "predict", counted)
    np.testing.assert_array_equal(forest.mean(X), whole)
    assert sizes == [15 * _N_TREES, 15 * _N_TREES, 10 * _N_TREES]


def test_draws_keep_what_is_known_and_are_values_of_training(trees):
    X, complete = numbers()
    rows = complete[:30].copy()
    # The last column was never missing in training.
    rows[::2, 2] = rows[::3, 0] = np.nan
    copies = trees.draws(rows, 7, np.random.RandomState(0))
    assert copies.shape == (7, 30, 3)
    known = ~np.isnan(rows)
    np.testing.assert_array_equal(copies[:, known], np.broadcast_to(rows[known], (7, known.sum())))
    for j in (0, 2):
        assert np.isin(copies[..., j], np.append(X[:, j], rows[:, j])).all()
    assert (copies[0] != copies[1]).any()


def test_draws_follow_the_others(trees):
    X, complete = numbers()
    holes = np.isnan(X)
    mean = trees.draws(X, 50, np.random.RandomState(0)).mean(0)
    # Of all values the standard deviation is one.
    assert np.sqrt(np.mean((mean - complete)[holes] ** 2)) < 0.4


@pytest.mark.parametrize("scale", [2.0**-600, 2.0**600], ids=["tiny", "huge"])
def test_units_do_not_matter(scale):
    X, _ = numbers()
    one, other = (
        ChainedTrees.fitted(X * unit, np.random.RandomState(0)).draws(
            X * unit, 3, np.random.RandomState(1)
        )
        for unit in (1.0, scale)
    )
    np.testing.assert_allclose(other, one * scale, rtol=1e-9)


def test_rows_far_away_are_filled_with_numbers(trees):
    rows = np.array([[1e300, np.nan, -1e300], [np.nan, np.nan, np.nan]])
    assert np.isfinite(trees.draws(rows, 3, np.random.RandomState(0))).all()


def test_many_rows_make_no_larger_trees_and_rare_columns_are_seen():
    X = np.random.default_rng(0).normal(size=(4 * _MAX_ROWS, 2))
    X[:, 1] = np.nan
    X[-1, 1] = 5.0
    trees = ChainedTrees.fitted(X, np.random.RandomState(0))
    assert len(trees.forests[0].values) <= 2 * _N_TREES * (_MAX_ROWS + 2)
    assert (trees.draws(X[:2], 2, np.random.RandomState(0))[..., 1] == 5.0).all()

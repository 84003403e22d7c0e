"""Draws of densities and of trees in one pool."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import flowkit
from flowkit import DensityImputer, FlowDensity
from flowkit.exceptions import InvalidDataError
from flowkit.imputation import _pool
from flowkit.imputation._chained_trees import ChainedTrees
from flowkit.imputation._pool import Pool, fitted_pool

from .examples import FLOW, imputer, numbers, table_imputer


class Constant:
    """In place of a density or of trees: fills one value."""

    def __init__(self, value):
        self.value = value

    def impute(self, rows, n_draws, random_state):
        rows = np.asarray(rows)
        return np.repeat(np.where(np.isnan(rows), self.value, rows)[None], n_draws, 0)

    draws = impute


class Counting(Constant):
    """Notes how many values it is asked for at once, and for how many rows in all."""

    def __init__(self):
        super().__init__(0.0)
        self.most, self.n_rows = 0, []

    def fit(self, rows):
        self.n_rows.append(0)
        return self

    def impute(self, rows, n_draws, random_state):
        self.n_rows.append(len(rows))
        self.most = max(self.most, n_draws * np.size(rows))
        return super().impute(rows, n_draws, random_state)


def products(n=200):
    """Rows of which each column is about the product of the others, and no two are correlated."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], size=(n, 2))
    X = np.column_stack([signs, signs.prod(1)]) + 0.1 * rng.normal(size=(n, 3))
    holes = rng.uniform(size=X.shape) < [0.0, 0.0, 0.2]
    return np.where(holes, np.nan, X), X


@pytest.fixture(scope="module")
def fitted():
    return imputer(with_trees=True).fit(numbers()[0])


@pytest.mark.parametrize("share", [0.0, 0.25, 0.6, 1.0])
def test_trees_get_their_share_of_the_draws_of_each_row(share):
    pool = Pool([Constant(1.0), Constant(2.0)], Constant(3.0), share)
    rows = np.where(np.eye(6, 3, dtype=bool), np.nan, 0.0)
    copies = pool.draws(rows, 20, np.random.RandomState(0))
    np.testing.assert_array_equal(copies[:, ~np.isnan(rows)], 0.0)
    holes = copies[:, np.isnan(rows)]
    assert (np.abs((holes == 3.0).sum(0) - 20 * share) < 1).all()
    if not share:
        assert ((holes == 1.0).sum(0) == 10).all()
    means = pool.means(rows, 20, np.random.RandomState(0))[np.isnan(rows)]
    np.testing.assert_allclose(means, 1.5 * (1 - share) + 3 * share)


def test_rows_of_which_nothing_is_known_are_left_to_the_densities():
    pool = Pool([Constant(1.0)], Constant(3.0), 0.9)
    rows = np.full((2, 3), np.nan)
    assert (pool.draws(rows, 5, np.random.RandomState(0)) == 1.0).all()
    assert (pool.means(rows, 5, np.random.RandomState(0)) == 1.0).all()


def test_trees_get_more_where_lines_predict_nothing_than_where_they_predict_all(fitted):
    X, complete = products()
    # One Gaussian knows lines alone.
    density = FlowDensity(**FLOW, prior="normal")
    model, alone = (
        DensityImputer(density, with_trees=trees, random_state=0).fit(X) for trees in (True, False)
    )
    assert model.tree_share_ > 0.6 > fitted.tree_share_
    error, other = (
        np.sqrt(np.mean((one.transform(X) - complete)[np.isnan(X)] ** 2)) for one in (model, alone)
    )
    assert error < 0.6 * other


def test_intervals_of_draws_hold_what_was_there(fitted):
    X, complete = numbers()
    holes = np.isnan(X)
    low, high = np.quantile(fitted.impute(X, 50, random_state=0)[:, holes], [0.05, 0.95], axis=0)
    assert 0.8 < np.mean((low <= complete[holes]) & (complete[holes] <= high)) <= 1.0


def test_several_draws(fitted):
    X, _ = numbers()
    several = fitted.impute(X, 4, random_state=0)
    assert several.shape == (4, *X.shape)
    known = ~np.isnan(X)
    np.testing.assert_array_equal(several[:, known], np.broadcast_to(X[known], (4, known.sum())))
    assert (several[0] != several[1])[~known].any()
    one = fitted.impute(pd.DataFrame(X), random_state=3)
    np.testing.assert_array_equal(one, fitted.impute(X, random_state=3))
    with pytest.raises(InvalidDataError, match="n_draws"):
        fitted.impute(X, 0)


def test_seeds_repeat(fitted):
    X, _ = numbers()
    again = imputer(with_trees=True).fit(X)
    assert again.tree_share_ == fitted.tree_share_
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))


def test_copies_from_pickles_and_files_fill_alike(fitted, tmp_path):
    X, _ = numbers()
    flowkit.save(fitted, tmp_path / "imputer.flowkit")
    for copy in (pickle.loads(pickle.dumps(fitted)), flowkit.load(tmp_path / "imputer.flowkit")):
        np.testing.assert_array_equal(copy.transform(X), fitted.transform(X))


def test_frames_and_their_names_reach_both_densities():
    X = pd.DataFrame(numbers()[0], columns=["a", "b", "c"])
    model = imputer(with_trees=True).fit(X)
    assert [list(one.feature_names_in_) for one in model.densities_] == [["a", "b", "c"]] * 2
    assert not model.transform(X).isna().any().any()


def test_one_column_few_rows_and_tables_are_left_to_one_density():
    X, _ = numbers()
    for rows in (X[:, :1], X[:12]):
        density = FlowDensity(**FLOW, early_stopping=False)
        model = DensityImputer(density, random_state=0)
        model.fit(rows[~np.isnan(rows).all(1)])
        assert (len(model.densities_), model.trees_, model.tree_share_) == (1, None, 0.0)
    table = pd.DataFrame({"a": [1.0, 2.0, None] * 10, "b": ["x", "y", "z"] * 10})
    model = table_imputer().fit(table)
    assert model.densities_ == [model.density_]
    assert len(model.impute(table, 2, random_state=0)) == 2


def test_memory_of_a_fit_does_not_grow_with_rows(monkeypatch):
    X = np.random.default_rng(0).normal(size=(2_000, 2))
    X[::4, 1] = np.nan
    asked, draws = Counting(), ChainedTrees.draws

    def counted(trees, rows, n_draws, rng):
        asked.impute(rows, n_draws, rng)
        return draws(trees, rows, n_draws, rng)

    monkeypatch.setattr(ChainedTrees, "draws", counted)
    monkeypatch.setattr(_pool, "_MAX_VALUES", 3_000)
    monkeypatch.setattr(_pool, "_MAX_HIDDEN_ROWS", 100)
    density = Counting()
    fitted_pool(density, Counting(), X, np.random.RandomState(0))
    for one in (density, asked):
        # A hundred rows in draws of thirty, then all that are incomplete, by one draw of each.
        assert [n for n in one.n_rows if n] == [30, 30, 30, 10, 500]
        assert one.most <= 3_000


def test_states_of_versions_without_trees_fill_from_their_density(tmp_path, monkeypatch):
    X, _ = numbers()
    model = imputer().fit(X)
    new = {"with_trees", "densities_", "trees_", "tree_share_"}
    older = {name: value for name, value in model.__getstate__().items() if name not in new}
    monkeypatch.setattr(DensityImputer, "__getstate__", lambda self: older)
    flowkit.save(model, tmp_path / "imputer.flowkit")
    pickled = pickle.dumps(model)
    monkeypatch.undo()
    for copy in (pickle.loads(pickled), flowkit.load(tmp_path / "imputer.flowkit")):
        assert (copy.densities_, copy.trees_, copy.tree_share_) == ([copy.density_], None, 0.0)
        assert not copy.with_trees
        np.testing.assert_array_equal(copy.transform(X), model.transform(X))
        np.testing.assert_array_equal(copy.impute(X, random_state=0), model.impute(X, None, 0))
    unfitted = imputer().__getstate__()
    del unfitted["with_trees"]
    other = DensityImputer.__new__(DensityImputer)
    other.__setstate__(unfitted)
    assert not other.get_params()["with_trees"]
    assert not hasattr(other, "densities_")

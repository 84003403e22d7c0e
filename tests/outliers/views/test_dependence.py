"""The forest of dependence: rules that rows break, and scores of training rows by other trees."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from scipy.special import logit

from flowkit.exceptions import NotExportableError
from flowkit.exchange import to_onnx
from flowkit.outliers import DependenceForest
from flowkit.outliers.views._normal_scores import NormalScores
from flowkit.outliers.views.dependence import _mixed_bits


def ruled(n=400, seed=0):
    x = np.random.default_rng(seed).normal(size=n)
    return np.column_stack([x, np.exp(x), np.random.default_rng(seed + 1).normal(size=n)])


def test_a_broken_rule_is_stranger_than_all_rows_that_keep_it():
    X, new = ruled(), ruled(seed=5)
    forest = DependenceForest(random_state=0).fit(X)
    broken = new[np.abs(new[:, 0]) > 0.7].copy()
    broken[:, 1] = np.exp(-broken[:, 0])
    scores = forest.score_samples(broken)
    assert np.quantile(scores, 0.9) < np.quantile(forest.score_samples(new), 0.1)


@pytest.mark.parametrize("n", [10, 300])
def test_training_rows_are_scored_by_the_trees_that_were_not_grown_on_them(n, monkeypatch):
    X = ruled(n)
    X = np.vstack([X, X[:5]])
    grown_on, grow = [], DependenceForest._grow
    monkeypatch.setattr(
        DependenceForest, "_grow", lambda self, z, rng: grown_on.append(z) or grow(self, z, rng)
    )
    view = DependenceForest(n_estimators=15, random_state=0).fit(X)
    z = NormalScores(X)(X).astype(np.float32)
    expected = []
    for row in z:
        votes = [
            tree.predict_proba(row[None])[0, 1]
            for tree, rows in zip(view.estimators_, grown_on, strict=True)
            if not (rows == row).all(1).any()
        ]
        expected.append(
            np.mean(votes or [t.predict_proba(row[None])[0, 1] for t in view.estimators_])
        )
    share = np.array(expected)[5:n]
    scores = view.score_samples(X)[5:n]
    np.testing.assert_allclose(scores, logit((share * 15 + 0.5) / 16), rtol=1e-9)


def test_one_column_goes_with_all():
    view = DependenceForest().fit(ruled()[:, :1])
    assert view.estimators_ == []
    np.testing.assert_array_equal(view.score_samples([[0.0], [1e300]]), [0, 0])


def test_scores_are_constant_beyond_the_range():
    X = ruled()
    view = DependenceForest(n_estimators=20, random_state=0).fit(X)
    rows = np.tile(X[:1], (4, 1))
    rows[:, 0] = X[:, 0].max() + np.array([1e-3, 1.0, 1e6, 1e300])
    assert np.ptp(view.score_samples(rows)) == 0


def test_single_precision_keeps_timestamps_apart():
    rng = np.random.default_rng(0)
    second = rng.permutation(600)
    X = np.column_stack([1.6e9 + second, second // 60])
    forest = DependenceForest(random_state=0).fit(X)
    kept, broken = forest.score_samples([[1.6e9 + 30.5, 0], [1.6e9 + 30.5, 9]])
    assert broken < kept - 3


def test_weights_are_shares_of_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    flipped = np.arange(600) < 300
    X = np.column_stack([x, np.where(flipped, -x, x)])
    new = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    weight = np.where(flipped, 0.01, 1.0)
    scores = DependenceForest(random_state=0).fit(X, sample_weight=weight).score_samples(new)
    assert scores[2:].max() < scores[:2].min() - 1


def test_memory_is_that_of_a_score_a_row():
    X = ruled(300)
    view = DependenceForest(n_estimators=2, random_state=0).fit(np.tile(X, (1, 30)))
    assert view._keys.nbytes + view._known.nbytes == 16 * 300


def as_of_older_versions(view, X):
    """The forest with the keys that it had in files before it looked up places of values."""
    old = copy.copy(view)
    places = view._keys_of(view._normal_scores.places(X))
    old._keys, first = np.unique(_mixed_bits(X), return_index=True)
    old._known = view._known[np.searchsorted(view._keys, places[first])]
    del old._factors
    return pickle.loads(pickle.dumps(old))


def test_forests_of_older_versions_score_as_before():
    X = np.round(ruled(200), 1)
    X = np.vstack([X, X[:5]])
    view = DependenceForest(n_estimators=5, random_state=0).fit(X)
    old = as_of_older_versions(view, X)
    rows = np.vstack([X, ruled(20, seed=7), np.where(X == 0, -0.0, X)])
    np.testing.assert_array_equal(old.score_samples(rows), view.score_samples(rows))
    np.testing.assert_array_equal(old.fit(X).score_samples(rows), view.score_samples(rows))


def test_forests_of_older_versions_have_no_form_in_onnx():
    pytest.importorskip("onnx")
    X = ruled(50)
    view = DependenceForest(n_estimators=2, random_state=0).fit(X)
    with pytest.raises(NotExportableError, match="fit it again"):
        to_onnx(as_of_older_versions(view, X))

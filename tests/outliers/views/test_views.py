"""What holds of every view: one row has one score, whatever stands beside it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.outliers import LevelsAsColumns

from ...table import VIEWS

over_views = pytest.mark.parametrize("build", VIEWS.values(), ids=VIEWS)


@parametrize_with_checks(
    [build() for build in VIEWS.values()],
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def table(n=150, seed=0):
    """Rows that depend on each other, with repeats: numbers, whole numbers and codes of levels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = np.round(2 * x + rng.normal(size=n))
    return np.column_stack([x, y, np.exp(3 * rng.normal(size=n)), (rng.integers(6, size=n) // 2)])


def with_repeats():
    X = table()
    return np.vstack([X, X[:20], X[:5]])


@over_views
def test_the_score_of_a_row_does_not_depend_on_those_beside_it(build):
    X, view = table(), build().fit(with_repeats())
    rows = np.vstack([X[:40], table(40, seed=1)])
    together = view.score_samples(rows)
    alone = np.concatenate([view.score_samples(row[None]) for row in rows])
    np.testing.assert_allclose(alone, together, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(view.score_samples(rows[::-1])[::-1], together, atol=1e-12)


@over_views
def test_equal_rows_have_equal_scores(build):
    X = with_repeats()
    scores = build().fit(X).score_samples(X)
    np.testing.assert_allclose(scores[150:170], scores[:20], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(scores[170:], scores[:5], rtol=1e-12, atol=1e-12)


@over_views
def test_zero_has_no_sign(build):
    X = table()
    X[:, 0] = np.abs(X[:, 0])
    X[7, 0] = 0.0
    view = build().fit(X)
    rows = np.vstack([X[7], X[7]])
    rows[0, 0] = -0.0
    assert np.ptp(view.score_samples(rows)) == 0


@over_views
def test_a_seed_a_clone_and_a_pickle_give_the_same_scores(build):
    X, new = table(), table(seed=1)
    view = build().fit(X)
    expected = view.score_samples(new)
    for other in (clone(view).fit(X), pickle.loads(pickle.dumps(view)), view.fit(X)):
        np.testing.assert_array_equal(other.score_samples(new), expected)


@over_views
def test_rows_of_weight_zero_are_absent(build):
    X, new = table(), np.vstack([table(), table(seed=1)])
    weight = np.random.default_rng(0).integers(3, size=len(X)) * 1.0
    weighted = build().fit(X, sample_weight=weight)
    without = build().fit(X[weight > 0], sample_weight=weight[weight > 0])
    np.testing.assert_array_equal(weighted.score_samples(new), without.score_samples(new))


@pytest.mark.parametrize("name", ["encoded", "neighbours", "single_columns"])
@pytest.mark.parametrize("levels", [None, [3]], ids=["numbers", "levels"])
def test_a_weight_is_a_number_of_repeats(name, levels):
    X, new = table(), np.vstack([table(), table(seed=1)])
    weight = 1 + np.random.default_rng(0).integers(3, size=len(X))
    weighted, repeated = (VIEWS[name](categorical_features=levels) for _ in range(2))
    weighted.fit(X, sample_weight=weight)
    repeated.fit(np.repeat(X, weight, axis=0))
    expected = repeated.score_samples(new)
    np.testing.assert_allclose(weighted.score_samples(new), expected, rtol=1e-10)


@over_views
def test_weights_matter(build):
    X, new = table(), table(seed=1)
    weight = np.where(X[:, 0] > 0, 5.0, 0.2)
    weighted, plain = build().fit(X, sample_weight=weight), build().fit(X)
    assert np.abs(weighted.score_samples(new) - plain.score_samples(new)).max() > 0.1


@over_views
def test_equal_weights_below_one_are_none(build):
    X, new = table(), table(seed=1)
    weighted, plain = build().fit(X, sample_weight=np.full(len(X), 0.25)), build().fit(X)
    np.testing.assert_allclose(weighted.score_samples(new), plain.score_samples(new), rtol=1e-10)


@pytest.mark.parametrize("name", ["encoded", "neighbours", "single_columns"])
def test_the_order_of_columns_does_not_matter(name):
    X, new, order = table(), table(seed=1), np.array([2, 3, 0, 1])
    view = VIEWS[name](categorical_features=[3]).fit(X)
    other = VIEWS[name](categorical_features=[1]).fit(X[:, order])
    np.testing.assert_allclose(other.score_samples(new[:, order]), view.score_samples(new))


@pytest.mark.parametrize("name", ["dependence", "neighbours", "single_columns"])
def test_units_do_not_matter(name):
    X, new = table(), table(seed=1)
    scores = VIEWS[name]().fit(X).score_samples(new)
    scale, shift = np.array([1e-6, 3.0, 1e9, 0.1]), np.array([0.0, 1.6e9, 7.0, -0.3])
    moved = VIEWS[name]().fit(X * scale + shift).score_samples(new * scale + shift)
    np.testing.assert_allclose(moved, scores, rtol=1e-5, atol=1e-5)


SHAPES = {
    "two rows": table(2),
    "one column": table()[:, :1],
    "one column of whole numbers": table()[:, 1:2],
    "constant columns": np.column_stack([np.full(30, 0.1), table(30), np.zeros(30)]),
    "equal rows": np.tile([1.0, 0.1, -3.0], (20, 1)),
    "equal rows of one column": np.full((5, 1), 0.1),
    "more columns than rows": np.random.default_rng(0).normal(size=(10, 200)),
    "truth values": np.random.default_rng(0).integers(2, size=(30, 3)).astype(bool),
    "tiny numbers": table()[:, :3] * 1e-300,
    "huge numbers": np.clip(table()[:, :3] * 1e299, -1e300, 1e300),
    "timestamps": 1.6e9 + np.random.default_rng(0).permutation(100)[:, None] * [1.0, 2.0],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["dependence", "neighbours", "single_columns"])
@pytest.mark.parametrize("X", SHAPES.values(), ids=SHAPES)
def test_scores_are_numbers_for_any_table(name, X):
    view = VIEWS[name]().fit(X)
    X = X.astype(float)
    for rows in (X, X + 1, X * (1 + 1e-6), X + 1e300, np.full_like(X, -1e300), X * 0):
        assert np.isfinite(view.score_samples(rows)).all()


@pytest.mark.parametrize("name", ["neighbours", "single_columns"])
@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_value_farther_out_is_stranger(name, column, sign):
    X, rows = table(), table(20, seed=1)
    view = VIEWS[name]().fit(X)
    end = sign * (sign * X[:, column]).max()
    scores = []
    for distance in (0.5, 1, 2, 10, 1e3, 1e6, 1e12, 1e100, 1e300):
        rows[:, column] = end + sign * distance * X[:, column].std()
        scores.append(view.score_samples(rows))
    assert (np.diff(scores, axis=0) < 0).all()


@pytest.mark.parametrize("name", ["encoded", "neighbours", "single_columns"])
@pytest.mark.parametrize("wrong", [[4], [-1], [0.5], [True, False], ["x0"], [[0, 1]]], ids=str)
def test_columns_of_levels_that_do_not_exist_are_refused(name, wrong):
    with pytest.raises(InvalidParameterError, match=r"categorical_features .* got \["):
        VIEWS[name](categorical_features=wrong).fit(table())


@pytest.mark.parametrize("name", ["encoded", "neighbours", "single_columns"])
def test_levels_are_told_by_a_mask_or_by_positions(name):
    X = table()
    expected = VIEWS[name](categorical_features=[1, 3]).fit(X).score_samples(X)
    for same in ([3, 1], np.array([1, 3]), [False, True, False, True]):
        scores = VIEWS[name](categorical_features=same).fit(X).score_samples(X)
        np.testing.assert_array_equal(scores, expected)
    plain = VIEWS[name]().fit(X).score_samples(X)
    for none in ([], [False] * 4):
        scores = VIEWS[name](categorical_features=none).fit(X).score_samples(X)
        np.testing.assert_array_equal(scores, plain)
    assert np.abs(plain - expected).max() > 0.01


@over_views
def test_a_failed_fit_changes_nothing(build):
    X = table()
    view = build().fit(X)
    before = view.score_samples(X)
    with pytest.raises(InvalidDataError, match="leaves 1 row"):
        view.fit(X[:, :2], sample_weight=np.arange(len(X)) == 0)
    assert view.n_features_in_ == 4
    np.testing.assert_array_equal(view.score_samples(X), before)


@pytest.mark.parametrize("name", ["encoded", "neighbours", "single_columns"])
def test_a_row_far_off_is_stranger_than_all_of_training(name):
    X = table()
    view = VIEWS[name]().fit(X)
    odd = [[X[:, 0].max() + 3, X[:, 1].min() - 3, 10 * X[:, 2].max(), 1.0]]
    assert view.score_samples(odd)[0] < view.score_samples(X).min()


def test_copies_are_scored_by_the_density_within():
    X = table(30)
    view = LevelsAsColumns(VIEWS["neighbours"](), categorical_features=[3]).fit(X)
    copies = np.repeat(X[:5], 3, axis=0) + np.eye(4)[0]
    copies[::3, 3] = 9.0
    expected = view.density_._score_copies(view._columns(copies), view._columns(X[:5]))
    np.testing.assert_array_equal(view._score_copies(copies, X[:5]), expected)

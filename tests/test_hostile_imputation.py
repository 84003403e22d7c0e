"""Incomplete rows of any size, kind and container: finite values filled in, or an error."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowkit.exceptions import FlowkitError, InvalidDataError
from flowkit.validation import middle_of

from .hostile import NO_NUMBERS, NONSENSE, SIZES, answer, examples, numbers, rows_of_size
from .imputation.examples import imputer, table_imputer, trees_of_few_rows

BUILDS = {
    **{name: (imputer, {"statistic": name, "n_draws": 5}) for name in ("mean", "median", "draw")},
    "trees": (imputer, {"with_trees": True, "n_draws": 5}),
    "table": (table_imputer, {"add_indicator": True, "n_draws": 5}),
}
every_imputer = pytest.mark.parametrize("name", BUILDS)


@pytest.fixture(autouse=True, scope="module")
def forests():
    with trees_of_few_rows():
        yield


@cache
def fitted(name):
    build, options = BUILDS[name]
    return build(**options).fit(with_holes(rows_of_size(), 0))


def with_holes(X, seed):
    return np.where(np.random.default_rng(seed).random(X.shape) < 0.3, np.nan, X)


def test_trees_are_among_what_is_tried():
    assert fitted("trees").tree_share_ > 0


@every_imputer
@given(X=numbers(), seed=st.integers(0, 9))
@example(X=np.full((4, 3), SIZES[-1]), seed=0)
@example(X=np.full((4, 3), 1e155), seed=1)
@examples(4)
def test_values_filled_in_are_numbers(name, X, seed):
    X = with_holes(X, seed)
    filled = answer(fitted(name).transform, X.copy())
    if filled is not None:
        assert np.isfinite(filled).all()
        known = ~np.isnan(X)
        np.testing.assert_array_equal(filled[:, :3][known], X[known])


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_summaries_of_draws_whose_sum_overflows(statistic):
    draws = 1.5e308 * np.ones((50, 2)) * [1, -1]
    draws[:, 1] *= np.linspace(0.5, 1, 50)
    middle = answer(middle_of, draws, statistic)
    np.testing.assert_allclose(middle, [1.5e308, -0.75 * 1.5e308], rtol=1e-14)
    few = rows_of_size(7)
    plain = {"mean": np.mean, "median": np.median}[statistic]
    np.testing.assert_array_equal(middle_of(few, statistic), plain(few, 0))


@pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)
@every_imputer
def test_what_holds_no_rows_is_refused_or_filled(name, make):
    X, incomplete = rows_of_size(7), ("NaN", "None within", "polars null", "pandas NA")
    filled = answer(fitted(name).transform, make(X))
    understood = name == "table" and make is NO_NUMBERS["sparse columns"]
    assert filled is None or understood or make in [NO_NUMBERS[key] for key in incomplete]


@pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("name", ["mean", "trees", "table"])
def test_what_holds_no_rows_is_not_fitted_to_or_understood(name, make):
    build, options = BUILDS[name]
    answer(build(**options).fit, make(rows_of_size()))


@pytest.mark.parametrize("name", ["mean", "trees", "table"])
def test_nonsense_is_not_fitted_to_or_filled(name):
    build, options = BUILDS[name]
    for value in NONSENSE.values():
        model = build(**options)
        before = dict(vars(model))
        with pytest.raises(FlowkitError):
            model.fit(value)
        assert vars(model) == before
        assert answer(fitted(name).transform, value) is None


def test_values_that_overflow_name_their_rows():
    with pytest.raises(InvalidDataError, match=r"filled in of row\(s\) 1 overflow"):
        fitted("mean").transform(np.array([[0.0, np.nan, 1.0], [1e308, np.nan, -1.7e308]]))

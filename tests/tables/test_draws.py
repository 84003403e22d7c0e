"""Draws keep what the columns of a table promise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm
from sklearn.base import BaseEstimator
from sklearn.neighbors import KernelDensity

from flowkit.exceptions import (
    InvalidDataError,
    InvalidParameterError,
    UnknownNameError,
    UnmetConstraintsError,
)

from .examples import N, mixture_table, objects


@pytest.fixture(scope="module")
def visits():
    rng = np.random.default_rng(0)
    first = rng.integers(0, 50, N)
    return pd.DataFrame(
        {
            "first": first,
            "last": first + rng.poisson(5, N),
            "ward": rng.choice(["a", "b"], N),
            "price": np.round(rng.lognormal(5, 1, N), 2),
        }
    )


@pytest.fixture(scope="module")
def fitted(visits):
    return mixture_table().fit(visits)


def test_numbers_have_as_many_decimals_as_those_of_training(visits, fitted, rng):
    assert visits["price"].nunique() > 0.9 * N
    price = fitted.sample(N, random_state=0)["price"].to_numpy()
    assert_array_equal(price, np.round(price, 2))
    assert (price != np.round(price, 1)).any()
    free = visits.assign(price=rng.lognormal(5, 1, N))
    price = mixture_table().fit(free).sample(N, random_state=0)["price"].to_numpy()
    assert (price != np.round(price, 2)).all()


def test_no_level_is_drawn_that_no_row_has(rng):
    levels = ["low", "mid", "high", "none"]
    X = pd.DataFrame({"level": pd.Categorical(rng.choice(["low", "high"], 9), levels, True)})
    # A wide kernel reaches every level.
    wide = mixture_table(KernelDensity(bandwidth=2.0)).fit(X)
    assert set(wide.sample(N, random_state=0)["level"]) == {"low", "high"}
    assert (wide.score_samples(X.assign(level=["none"] * 9)) > -np.inf).all()
    given = wide.sample(N, random_state=0, given={})
    assert set(given["level"]) == {"low", "high"}


def _meets(table):
    return table["first"] <= table["last"]


CONSTRAINTS = {
    "comparison": ("first <= last", _meets),
    "arithmetic": (
        "0 <= first <= 99 and last - first >= 0",
        lambda t: _meets(t) & (t["first"] >= 0),
    ),
    "levels": (
        "ward in ['b'] or not price < 100",
        lambda t: (t["ward"] == "b") | (t["price"] >= 100),
    ),
    "function": (_meets, _meets),
    "both": (
        ["first <= last", lambda t: t["price"] > 50],
        lambda t: _meets(t) & (t["price"] > 50),
    ),
}


@pytest.mark.parametrize(("constraints", "met"), CONSTRAINTS.values(), ids=CONSTRAINTS)
@pytest.mark.parametrize("given", [None, {"first": 20}], ids=str)
def test_rows_meet_constraints_and_acceptance_is_their_probability(fitted, constraints, met, given):
    drawn, acceptance = fitted.sample(
        300, random_state=0, constraints=constraints, given=given, return_acceptance=True
    )
    assert len(drawn) == 300
    free = fitted.sample(4 * N, random_state=1, given=given)
    assert met(drawn).all()
    assert not met(free).all()
    assert_allclose(acceptance, met(free).mean(), atol=0.12)
    again = fitted.sample(300, random_state=0, constraints=constraints, given=given)
    pd.testing.assert_frame_equal(drawn, again)


def test_without_constraints_everything_is_accepted(fitted):
    drawn, acceptance = fitted.sample(9, random_state=0, return_acceptance=True)
    assert acceptance == 1.0
    pd.testing.assert_frame_equal(drawn, fitted.sample(9, random_state=0))


def test_constraints_of_polars_frames_and_arrays(visits):
    polars = mixture_table().fit(pl.DataFrame(visits.to_dict("list")))
    for constraint in ("first <= last", lambda t: t["first"] <= t["last"]):
        drawn = polars.sample(50, random_state=0, constraints=constraint)
        assert (drawn["first"] <= drawn["last"]).all()
    array = mixture_table().fit(visits[["first", "last"]].to_numpy())
    drawn = array.sample(50, random_state=0, constraints=lambda X: X[:, 0] <= X[:, 1])
    assert (drawn[:, 0] <= drawn[:, 1]).all()
    with pytest.raises(InvalidParameterError, match="is an array: give a function"):
        array.sample(5, constraints="first <= last")


def test_constraints_that_hardly_any_draw_meets_are_refused(fitted):
    with pytest.raises(UnmetConstraintsError, match=r"0 of \d+ draws.*'price < -1e9' by 0.00%"):
        fitted.sample(5, random_state=0, constraints=["first <= last", "price < -1e9"])


@pytest.mark.parametrize(
    ("constraint", "error", "words"),
    [
        ("frist <= last", UnknownNameError, r"names column 'frist'.*'first'"),
        ("first <=", InvalidParameterError, "cannot be read"),
        ("first + last", InvalidParameterError, "must give a boolean"),
        ("__import__('os')", InvalidParameterError, "which expressions may not"),
        ("first.real > 0", InvalidParameterError, "which expressions may not"),
        ("first is last", InvalidParameterError, "use '=='"),
        ("1 < 2", InvalidParameterError, "must give a boolean for each"),
        (3, InvalidParameterError, r"expressions such as.*got 3"),
        (lambda t: True, InvalidParameterError, "must give a boolean for each"),
    ],
)
def test_what_is_no_constraint_is_refused(fitted, constraint, error, words):
    with pytest.raises(error, match=words):
        fitted.sample(5, random_state=0, constraints=constraint)


class NormalColumns(BaseEstimator):
    """Independent normal columns, also of rows with holes."""

    def __init__(self, missing="marginalize", random_state=None):
        self.missing, self.random_state = missing, random_state

    def fit(self, X, y=None):
        self.normal_ = norm(np.nanmean(X, axis=0), np.nanstd(X, axis=0))
        return self

    def score_samples(self, X):
        return np.nansum(self.normal_.logpdf(X), axis=1)

    def sample(self, n_samples=1, random_state=None):
        shape = n_samples, len(self.normal_.mean())
        return self.normal_.rvs(shape, random_state=random_state)


HOLES = NormalColumns()


def _holes(rng):
    X = pd.DataFrame(
        {
            "x": rng.normal(size=300),
            "k": pd.array(rng.integers(0, 5, 300), dtype="Int64"),
            "c": rng.choice(["u", "v"], 300).astype(object),
            "full": rng.normal(size=300),
            "day": pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 9, 300), unit="D"),
        }
    )
    X.loc[:89, ["x", "k"]] = None
    X.loc[90:120, ["c", "day"]] = None
    return X


def test_values_are_missing_as_often_and_together_as_they_were(rng):
    X = _holes(rng)
    fitted = mixture_table(HOLES).fit(X)
    drawn = fitted.sample(2 * N, random_state=0, missing="sample")
    assert_array_equal(drawn.dtypes, X.dtypes)
    assert_allclose(drawn.isna().mean(), X.isna().mean(), atol=0.04)
    assert_array_equal(drawn["x"].isna(), drawn["k"].isna())
    assert not (drawn["c"].isna() & drawn["x"].isna()).any()
    assert not fitted.sample(N, random_state=0).isna().any(axis=None)
    met = fitted.sample(300, random_state=0, missing="sample", constraints="x > 0")
    assert 0 < met["x"].isna().mean() < 1
    assert (met["x"].dropna() > 0).all()


def test_missing_values_of_polars_frames_and_arrays(rng):
    X = _holes(rng)
    polars = pl.DataFrame({name: pl.Series(X[name].tolist(), strict=False) for name in ("x", "c")})
    polars = polars.with_columns(pl.col("x").fill_nan(None))
    drawn = mixture_table(HOLES).fit(polars).sample(N, random_state=0, missing="sample")
    assert drawn.schema == polars.schema
    assert_allclose(drawn["c"].null_count() / N, polars["c"].null_count() / 300, atol=0.04)
    array = objects(X["x"], X["full"])
    drawn = mixture_table(HOLES).fit(array).sample(N, random_state=0, missing="sample")
    assert_allclose(pd.isna(drawn).mean(0), pd.isna(array).mean(0), atol=0.05)


def test_missing_is_refused_where_it_says_nothing(fitted):
    assert not fitted.sample(9, random_state=0, missing="sample").isna().any(axis=None)
    with pytest.raises(InvalidDataError, match="missing must be 'sample'"):
        fitted.sample(9, missing="often")
    with pytest.raises(InvalidParameterError, match="leave out one of both"):
        fitted.sample(9, missing="sample", given={"ward": "a"})


def test_rows_given_keep_their_labels(fitted):
    given = pd.DataFrame({"ward": ["a", "b"]}, index=["u", "v"])
    drawn = fitted.sample(2, random_state=0, given=given)
    assert drawn.index.tolist() == ["u", "u", "v", "v"]
    assert drawn["ward"].tolist() == ["a", "a", "b", "b"]
    met = fitted.sample(2, random_state=0, given=given, constraints="first <= last")
    assert met.index.tolist() == ["u", "u", "v", "v"]
    assert met["ward"].tolist() == ["a", "a", "b", "b"]
    assert (met["first"] <= met["last"]).all()


def test_functions_that_fail_are_told_by_name(fitted):
    def broken(table):
        return float(table["first"] > 0)

    with pytest.raises(InvalidParameterError, match=r"constraint .*broken.* fails.*TypeError"):
        fitted.sample(2, random_state=0, constraints=broken)

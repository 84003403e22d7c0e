"""Tables are filled in the types of their columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.mixture import GaussianMixture

from flowkit import TableDensity
from flowkit.exceptions import InvalidDataError

from .examples import STATISTICS, table, table_imputer


@pytest.fixture(scope="module")
def fitted():
    return table_imputer().fit(table()[0])


@pytest.mark.parametrize("statistic", STATISTICS)
def test_types_index_and_known_values_stay(fitted, statistic):
    X, _ = table()
    filled = fitted.density_.impute(X, random_state=0, statistic=statistic)
    assert filled.dtypes.tolist() == X.dtypes.tolist()
    assert filled.index.equals(X.index)
    assert not filled.isna().any().any()
    for name in X:
        known = X[name].notna()
        pd.testing.assert_series_equal(filled[name][known], X[name][known])
    pd.testing.assert_series_equal(filled["whole"], X["whole"])
    assert set(filled["sign"]) == {"plus", "minus"}


def test_categories_and_numbers_are_right_more_often_than_by_chance(fitted):
    X, complete = table()
    filled = fitted.transform(X)
    holes = X.isna()
    assert (filled["sign"] == complete["sign"])[holes["sign"]].mean() > 0.75
    for name, error in (("size", 0.7), ("count", 3.5)):
        wrong = (filled[name] - complete[name])[holes[name]].astype(float)
        # Of all values the standard deviation is 1, or 5.
        assert np.sqrt(np.mean(wrong**2)) < error


def test_several_draws_differ_where_values_are_missing(fitted):
    X, _ = table()
    one, other = fitted.density_.impute(X, 2, random_state=0)
    different = (one != other).to_numpy()
    assert different.any()
    assert not different[X.notna().to_numpy()].any()
    alone = fitted.density_.impute(X, random_state=3)
    pd.testing.assert_frame_equal(alone, fitted.density_.impute(X, random_state=3))


def test_unseen_levels_stay_and_say_nothing(fitted):
    X, _ = table()
    row = X.iloc[:1].assign(sign="neither", size=np.nan)
    filled = fitted.transform(row)
    assert filled["sign"].tolist() == ["neither"]
    assert np.isfinite(filled["size"]).all()


def test_arrays_of_objects_and_polars_tables():
    X, _ = table()
    columns = X[["size", "sign"]]
    density = TableDensity(GaussianMixture(2), n_draws=8, random_state=0).fit(columns.dropna())
    sign = [value if isinstance(value, str) else None for value in columns["sign"]]
    polars = pl.DataFrame({"size": columns["size"].tolist(), "sign": sign})
    filled = density.impute(polars, random_state=0)
    assert isinstance(filled, pl.DataFrame)
    assert filled.schema == polars.schema
    assert not filled["sign"].is_null().any()
    rows = columns.to_numpy(dtype=object)
    by_array = density.impute(rows, random_state=0)
    assert by_array.dtype == object
    assert (by_array[:, 1] == filled["sign"].to_numpy()).all()


def test_mean_directions_of_angles():
    rng = np.random.default_rng(0)
    X = np.column_stack([(rng.normal(size=200) * 5) % 360, rng.normal(size=200)])
    density = TableDensity(GaussianMixture(2), periods={0: 360.0}, random_state=0).fit(X)
    rows = np.array([[np.nan, 0.0]])
    (angle,) = density.impute(rows, random_state=0, statistic="mean")[:, 0]
    # The mean of angles to both sides of zero is not the opposite of zero.
    assert min(angle, 360 - angle) < 5


def test_whole_numbers_stay_whole(fitted):
    X, _ = table()
    filled = fitted.density_.impute(X.astype({"count": float}), 20, 0, statistic="mean")
    np.testing.assert_array_equal(filled["count"], np.rint(filled["count"]))


def test_indicators_and_names_of_tables():
    X, _ = table()
    filled = table_imputer(add_indicator=True).fit_transform(X)
    assert filled.columns[5:].tolist() == [f"missingindicator_{name}" for name in X.columns[:4]]
    np.testing.assert_array_equal(filled.iloc[:, 5:], X.iloc[:, :4].isna())


def test_mistakes(fitted):
    X, _ = table()
    with pytest.raises(InvalidDataError, match="statistic must be"):
        fitted.density_.impute(X, statistic="mode")
    with pytest.raises(InvalidDataError, match="feature names should match"):
        fitted.transform(X.rename(columns={"size": "width"}))

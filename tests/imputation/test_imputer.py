"""Numbers are filled from the density, and everything else stays as it is."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import flowkit
from flowkit import DensityImputer, FlowDensity, TableDensity, TransformedDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import FLOW, STATISTICS, imputer, numbers


@pytest.fixture(scope="module")
def fitted():
    return imputer(add_indicator=True).fit(numbers()[0])


def with_options(fitted, **options):
    """The same density under other options of the transformation."""
    other = clone(fitted).set_params(**options)
    other.__dict__.update({k: v for k, v in vars(fitted).items() if k.endswith("_")})
    return other


@pytest.mark.parametrize("statistic", STATISTICS)
def test_what_is_known_stays_and_nothing_is_missing(fitted, statistic):
    X, _ = numbers()
    filled = with_options(fitted, statistic=statistic).transform(X)[:, :3]
    known = ~np.isnan(X)
    np.testing.assert_array_equal(filled[known], X[known])
    assert np.isfinite(filled).all()


def test_means_are_close_to_what_was_there_and_draws_spread_as_much(fitted):
    X, complete = numbers()
    holes = np.isnan(X)
    error = {
        statistic: (with_options(fitted, statistic=statistic).transform(X)[:, :3] - complete)[holes]
        for statistic in STATISTICS
    }
    # Given another column, a value is normal with a standard deviation near 0.14.
    assert 0.05 < error["mean"].std() < 0.25
    assert abs(error["median"].std() / error["mean"].std() - 1) < 0.2
    # A draw is off by two errors of one variance.
    assert 1.15 < error["draw"].std() / error["mean"].std() < 1.8


def test_seeds_repeat_and_others_do_not(fitted):
    X, _ = numbers()
    one, other = (with_options(fitted, statistic="draw", random_state=s) for s in (0, 1))
    np.testing.assert_array_equal(one.transform(X), one.transform(X))
    assert (one.transform(X) != other.transform(X)).any()
    np.testing.assert_array_equal(clone(fitted).fit_transform(X), fitted.transform(X))


def test_indicators_tell_what_was_missing(fitted):
    X, _ = numbers()
    filled = fitted.transform(X)
    np.testing.assert_array_equal(filled[:, 3:], np.isnan(X)[:, :2])
    names = ["x0", "x1", "x2", "missingindicator_x0", "missingindicator_x1"]
    assert fitted.get_feature_names_out().tolist() == names
    assert imputer().fit(X).get_feature_names_out(["a", "b", "c"]).tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames_come_back_as_frames_with_their_types(frame):
    X, _ = numbers()
    columns = {"a": X[:, 0].astype(np.float32), "b": X[:, 1], "c": np.arange(len(X))}
    rows = frame(columns)
    filled = imputer(add_indicator=True).fit_transform(rows)
    assert type(filled) is frame
    assert list(filled.columns)[3:] == ["missingindicator_a", "missingindicator_b"]
    assert list(filled.dtypes)[:3] == list(rows.dtypes)
    np.testing.assert_array_equal(filled["c"], rows["c"])
    known = ~np.isnan(columns["a"])
    np.testing.assert_array_equal(np.asarray(filled["a"])[known], columns["a"][known])
    assert np.isfinite(filled.to_numpy().astype(float)).all()


def test_output_is_as_set_and_keeps_the_index():
    X = pd.DataFrame(numbers()[0], columns=["a", "b", "c"]).set_index(np.arange(120) + 5)
    model = imputer().fit(X)
    assert (model.transform(X).index == X.index).all()
    assert isinstance(model.set_output(transform="polars").transform(X), pl.DataFrame)
    by_array = imputer().set_output(transform="pandas").fit_transform(X.to_numpy())
    assert by_array.columns.tolist() == ["x0", "x1", "x2"]


def test_float32_and_whole_numbers():
    X, _ = numbers()
    assert imputer().fit_transform(X.astype(np.float32)).dtype == np.float32
    whole = np.rint(10 * numbers()[1]).astype(int)
    filled = imputer().fit_transform(whole)
    assert filled.dtype == np.float64
    np.testing.assert_array_equal(filled, whole)


def test_constant_columns_are_filled_with_their_value():
    X, _ = numbers()
    X[:, 1] = np.where(np.isnan(X[:, 1]), np.nan, 7.0)
    with pytest.warns(flowkit.exceptions.ConstantColumnWarning):
        filled = imputer().fit_transform(X)
    np.testing.assert_array_equal(filled[:, 1], 7.0)


def test_empty_columns_are_refused_by_name_and_leave_the_imputer_as_it_was():
    X = pd.DataFrame(numbers()[0], columns=["a", "b", "c"])
    model = imputer().fit(X)
    before = dict(vars(model))
    with pytest.raises(InvalidDataError, match=r"column\(s\).*b.*hold no value"):
        model.fit(X.assign(b=np.nan))
    assert vars(model) == before


def test_densities_that_need_complete_rows_fill_others_once_fitted():
    X, complete = numbers()
    model = DensityImputer(GaussianMixture(1), random_state=0, n_draws=20)
    with pytest.raises(InvalidParameterError, match="missing values"):
        model.fit(X)
    filled = model.fit(complete).transform(X)
    assert np.sqrt(np.mean((filled - complete)[np.isnan(X)] ** 2)) < 0.3


def test_densities_within_others_learn_from_incomplete_rows():
    X, complete = numbers()
    density = TransformedDensity(StandardScaler(), FlowDensity(**FLOW))
    model = DensityImputer(density, random_state=0, n_draws=20).fit(X)
    assert model.density_.density_.missing == "marginalize"
    assert density.density.missing is None
    filled = model.transform(X)
    assert np.sqrt(np.mean((filled - complete)[np.isnan(X)] ** 2)) < 0.3


def test_default_density_is_one_of_tables_where_frames_hold_text():
    X = pd.DataFrame({"a": ["x", "y"] * 10 + [None], "b": np.arange(21.0)})
    model = DensityImputer(random_state=0)
    for rows, kind in ((X, TableDensity), (X[["b"]], FlowDensity)):
        chosen = flowkit.imputation._training.default_density(rows)
        assert type(chosen) is kind
    assert model.__sklearn_tags__().input_tags.categorical


def test_search_within_a_pipeline():
    X, complete = numbers()
    y = complete.sum(1)
    pipeline = make_pipeline(imputer(), LinearRegression())
    grid = {"densityimputer__density__max_epochs": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.9


def test_copies_from_pickles_and_files_fill_alike(fitted, tmp_path):
    X, _ = numbers()
    flowkit.save(fitted, tmp_path / "imputer.flowkit")
    for copy in (pickle.loads(pickle.dumps(fitted)), flowkit.load(tmp_path / "imputer.flowkit")):
        np.testing.assert_array_equal(copy.transform(X), fitted.transform(X))


def test_parameters_of_none_are_explained():
    with pytest.raises(InvalidParameterError, match=r"FlowDensity\(max_epochs=3\)"):
        DensityImputer().set_params(density__max_epochs=3)
    with pytest.raises(InvalidParameterError, match="Did you mean 'mean'"):
        imputer(statistic="meen").fit(numbers()[0])

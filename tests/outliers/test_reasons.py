"""Reasons in the units of the columns: what would have been typical, and how likely that is."""

from __future__ import annotations

import copy
import datetime
import decimal
import fractions
import pickle
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

from flowkit import DensityOutlierDetector, TableDensity
from flowkit.exceptions import IdentifierWarning, InvalidParameterError, MissingDependencyError
from flowkit.outliers._printing import number_shown, probability_shown, shown_value
from flowkit.outliers._reasons import _as_fine_as_known
from flowkit.outliers._units import Dates

from .examples import Known, mixed_table, rows

SCALE = np.array([1e-2, 1.0, 1e2])
COVARIANCE = (0.7 + 0.3 * np.eye(3)) * SCALE * SCALE[:, None]
NORMAL = stats.multivariate_normal(2 * SCALE, COVARIANCE)


def normal_rows(n=500, seed=0):
    return NORMAL.rvs(n, random_state=seed)


def in_order_of_columns(reasons, values):
    """Values of reasons for all columns, in the order that these have in X."""
    order = np.argsort(reasons.columns.astype(str), axis=1)
    return np.take_along_axis(values, order, axis=1)


def test_typical_numbers_lie_within_declared_bounds():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"pay": rng.exponential(size=200), "share": rng.beta(0.5, 0.5, size=200)})
    bounds = {"pay": (0, None), "share": (0, 1)}
    density = TableDensity(GaussianMixture(random_state=0), bounds=bounds, random_state=0)
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    reasons = detector.reasons(X[:60], n_columns=None)
    for values in (reasons.low, reasons.typical, reasons.high):
        assert (in_order_of_columns(reasons, values) >= 0).all()
        assert (in_order_of_columns(reasons, values)[:, 1] <= 1).all()


def test_typical_numbers_are_conditional_quantiles():
    detector = DensityOutlierDetector(Known(NORMAL.logpdf)).fit(normal_rows())
    X = normal_rows(20, seed=1)
    X[:5, 1] += 6
    reasons = detector.reasons(X, n_columns=None)
    precision = np.linalg.inv(COVARIANCE)
    deviation = 1 / np.sqrt(np.diag(precision))
    centre = X - (X - 2 * SCALE) @ precision / np.diag(precision)
    for shift, got in ((-1.645, reasons.low), (0, reasons.typical), (1.645, reasons.high)):
        got = in_order_of_columns(reasons, got).astype(float)
        np.testing.assert_allclose((got - centre) / deviation, shift, atol=0.02)
    assert np.isnan(reasons.probability).all()


@pytest.mark.parametrize("n_columns", [1, 2, 7, None])
def test_reasons_are_the_largest_effects_of_explain(n_columns):
    detector = DensityOutlierDetector(GaussianMixture()).fit(rows())
    X = 2 * rows(10, seed=1)
    effects, reasons = detector.explain(X), detector.reasons(X, n_columns)
    order = np.argsort(-effects, axis=1)[:, :n_columns]
    assert len(reasons) == 10
    np.testing.assert_array_equal(reasons.columns, np.array(["x0", "x1", "x2"])[order])
    for array, all_columns in ((reasons.effects, effects), (reasons.values.astype(float), X)):
        np.testing.assert_array_equal(array, np.take_along_axis(all_columns, order, axis=1))


def test_nothing_is_scored_twice():
    class Counted(Known):
        n_scored = 0

        def score_samples(self, X):
            self.n_scored += len(X)
            return super().score_samples(X)

    detector = DensityOutlierDetector(Counted(NORMAL.logpdf)).fit(normal_rows())
    counts = []
    for ask in (detector.explain, detector.reasons):
        detector.densities_[0].n_scored = 0
        ask(normal_rows(5, seed=1))
        counts.append(detector.densities_[0].n_scored)
    assert counts[0] == counts[1] > 0


def kind_and_size(X):
    """Cats are small, dogs are large; tame follows from kind."""
    weight = X["kind"].map({"cat": 0.5, "dog": 0.3, "emu": 0.2}).astype(float)
    place = X["kind"].map({"cat": -3.0, "dog": 0.0, "emu": 3.0}).astype(float)
    follows = (X["kind"] != "emu") == X["tame"]
    return np.where(follows, np.log(weight) + stats.norm.logpdf(X["size"], place), -np.inf)


def test_typical_levels_are_the_likeliest_with_their_probability():
    X = mixed_table()
    detector = DensityOutlierDetector(Known(kind_and_size)).fit(X)
    kinds = ["cat", "dog"]
    new = (
        X[:1]
        .iloc[[0, 0]]
        .assign(
            kind=pd.Categorical(["cat", "dog"], X["kind"].cat.categories),
            size=[0.4, -1.2],
            tame=True,
        )
    )
    told = detector.reasons(new, n_columns=None)
    for i, row in enumerate(new.itertuples()):
        j = list(told.columns[i]).index("kind")
        log_mass = np.log([0.5, 0.3]) + stats.norm.logpdf(row.size, [-3.0, 0.0])
        share = np.exp(log_mass - np.logaddexp.reduce(log_mass))
        assert told.typical[i, j] == kinds[share.argmax()]
        assert told.probability[i, j] == pytest.approx(share.max(), abs=1e-9)
        assert np.isnan([told.low[i, j], told.high[i, j]]).all()
        assert told.probability[i, list(told.columns[i]).index("tame")] == 1.0


def test_tables_of_text_alone_have_reasons():
    share = {"a": 0.7, "b": 0.2, "c": 0.1}

    def log_density(X):
        return sum(np.log(pd.Series(column).map(share).to_numpy(float)) for column in X.T)

    X = np.random.default_rng(0).choice(list(share), size=(200, 2))
    reasons = DensityOutlierDetector(Known(log_density)).fit(X).reasons([["c", "a"], ["z", "z"]])
    assert reasons.columns.tolist() == [["x0", "x1"], ["x0", "x1"]]
    assert (reasons.typical == "a").all()
    np.testing.assert_allclose(reasons.probability, 0.7)
    assert np.isposinf(reasons.effects[1]).all()


def test_columns_of_few_numbers_have_both():
    X = np.column_stack([np.resize([1.0, 2.0, 5.0], 300), rows(300, 1)])
    weight = {1.0: 0.02, 2.0: 0.9, 5.0: 0.08}

    def log_density(X):
        return np.log([weight[x] for x in X[:, 0]]) + stats.norm.logpdf(X[:, 1])

    reasons = DensityOutlierDetector(Known(log_density)).fit(X).reasons([[1.0, 0.0]], n_columns=1)
    assert reasons.columns == "x0"
    assert reasons.typical == 2.0
    np.testing.assert_allclose(reasons.probability, 0.9)
    assert (reasons.low, reasons.high) == (2.0, 5.0)


@pytest.mark.parametrize("kind", [fractions.Fraction, decimal.Decimal, int, float])
def test_numbers_of_every_kind_are_printed(kind):
    column = pd.Series([kind(i % 3) for i in range(60)], dtype=object)
    X = pd.DataFrame({"a": column, "b": rows(60, 1)[:, 0]})
    detector = DensityOutlierDetector(Known(lambda X: np.zeros(len(X)))).fit(X)
    assert "a = 2, typical" in str(detector.reasons(X[2:3]))


def test_whole_numbers_are_typical_of_whole_numbers():
    X = np.random.default_rng(0).poisson([60.0, 400.0], size=(500, 2)).astype(float)
    density = Known(lambda X: stats.poisson.logpmf(X, [60.0, 400.0]).sum(1))
    reasons = DensityOutlierDetector(density).fit(X).reasons(X[:20], n_columns=None)
    for j, mean in enumerate((60.0, 400.0)):
        column = reasons.columns == f"x{j}"
        for share, got in ((0.05, reasons.low), (0.5, reasons.typical), (0.95, reasons.high)):
            got = got[column].astype(float)
            np.testing.assert_array_equal(got, np.rint(got))
            assert np.abs(got - stats.poisson.ppf(share, mean)).max() <= 1 + 0.05 * np.sqrt(mean)


def test_what_makes_a_row_impossible_comes_first_with_what_is_possible():
    def log_density(X):
        inside = ((X[:, 1:] > 0) & (X[:, 1:] < 1)).all(1)
        return np.where(inside, stats.norm.logpdf(X[:, 0]), -np.inf)

    X = np.column_stack([rows(500, 1), np.random.default_rng(0).random((500, 2))])
    detector = DensityOutlierDetector(Known(log_density)).fit(X)
    reasons = detector.reasons([[4.0, 7.0, -7.0], [4.0, 0.5, -7.0]])
    assert reasons.columns.tolist() == [["x1", "x2", "x0"], ["x2", "x0", "x1"]]
    assert np.isposinf(reasons.effects[0, :2]).all()
    typical = reasons.typical.astype(float)
    np.testing.assert_allclose([typical[0, 0], typical[0, 1], typical[1, 0]], 0.5, atol=0.06)
    np.testing.assert_allclose(reasons.low[0, :2], 0.05, atol=0.06)
    np.testing.assert_allclose(reasons.high[0, :2], 0.95, atol=0.06)
    assert "x1 = 7, typical" in str(reasons)
    assert str(reasons).count("impossible") == 3


def test_missing_values_come_last_and_nothing_is_typical_of_them():
    def log_density(X):
        return np.nansum(stats.norm.logpdf(X), axis=1)

    detector = DensityOutlierDetector(Known(log_density)).fit(rows())
    reasons = detector.reasons([[np.nan, 0.0, 0.1]])
    assert reasons.columns.tolist() == [["x2", "x1", "x0"]]
    assert (reasons.effects[0, :2] < 0).all()
    assert reasons.typical[0, 2] is None
    assert str(reasons).splitlines()[-1] == "    x0 is missing"


@pytest.mark.parametrize("container", [np.array, pd.DataFrame, pl.DataFrame, np.ndarray.tolist])
def test_reasons_are_the_same_for_all_containers(container):
    X = rows(100, 2)
    expected = DensityOutlierDetector(GaussianMixture()).fit(X).reasons(X[:4])
    got = DensityOutlierDetector(GaussianMixture()).fit(container(X)).reasons(container(X[:4]))
    np.testing.assert_allclose(got.effects, expected.effects, atol=1e-9)
    np.testing.assert_allclose(got.typical.astype(float), expected.typical.astype(float))
    assert list(got.rows) == [0, 1, 2, 3]


@pytest.mark.parametrize("names", [["a", "b"], [0, 7], [("a", 1), ("a", 2)]], ids=str)
def test_names_and_labels_are_those_of_the_frame(names):
    X = pd.DataFrame(rows(60, 2), columns=pd.Index(names), index=[f"row{i}" for i in range(60)])
    reasons = DensityOutlierDetector(GaussianMixture()).fit(X).reasons(X[5:8])
    assert all(set(row) == set(names) for row in reasons.columns)
    assert list(reasons.rows) == ["row5", "row6", "row7"]
    frame = reasons.to_frame()
    assert list(frame["row"]) == np.repeat(["row5", "row6", "row7"], 2).tolist()
    assert list(frame["column"]) == list(reasons.columns.ravel())
    np.testing.assert_array_equal(frame["effect"], reasons.effects.ravel())
    loaded = pickle.loads(pickle.dumps(reasons))
    assert str(loaded) == str(reasons)


def test_a_table_of_reasons_needs_pandas(monkeypatch):
    reasons = DensityOutlierDetector(GaussianMixture()).fit(rows()).reasons(rows(2))
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r"Reasons.to_frame needs pandas"):
        reasons.to_frame()
    assert len(str(reasons).splitlines()) == 2 * 4


@pytest.mark.parametrize("n_columns", [0, -1, 1.5, "all", True])
def test_wrong_numbers_of_columns_are_refused(n_columns):
    detector = DensityOutlierDetector(GaussianMixture()).fit(rows())
    with pytest.raises(InvalidParameterError, match="n_columns must be an int of at least 1"):
        detector.reasons(rows(2), n_columns=n_columns)


DAY = pd.Timestamp("2020-03-01")
# Columns of dates around a day, of days after it.
DATES = {
    "dates": lambda days: pd.Series(DAY + pd.to_timedelta(days, unit="D")),
    "seconds": lambda days: pd.Series(DAY + pd.to_timedelta(days, unit="D")).astype("M8[s]"),
    "in a zone": lambda days: pd.Series(
        pd.DatetimeIndex(DAY + pd.to_timedelta(days, unit="D")).tz_localize(
            "Europe/Berlin", ambiguous=np.ones(len(days), bool), nonexistent="shift_forward"
        )
    ),
    "lengths": lambda days: pd.Series(pd.to_timedelta(days, unit="D")),
    "Timestamps": lambda days: pd.Series([DAY + pd.Timedelta(x, "D") for x in days], dtype=object),
    "datetimes": lambda days: pd.Series(
        [datetime.datetime(2020, 3, 1) + datetime.timedelta(x) for x in days], dtype=object
    ),
    "in a zone, objects": lambda days: DATES["in a zone"](days).astype(object),
    "objects": lambda days: pd.Series(
        [datetime.date(2020, 3, 1) + datetime.timedelta(int(x)) for x in days], dtype=object
    ),
    "lengths, objects": lambda days: pd.Series([datetime.timedelta(x) for x in days], dtype=object),
}


def days_after(values):
    """Dates of any type, or lengths of time, as days after the day that they are around."""
    values = [x.replace(tzinfo=None) if hasattr(x, "tzinfo") else x for x in values]
    if isinstance(values[0], datetime.timedelta):
        return np.array([x / datetime.timedelta(1) for x in values])
    return np.array([(pd.Timestamp(x) - DAY) / pd.Timedelta(1, "D") for x in values])


@pytest.mark.parametrize("kind", DATES)
def test_typical_dates_are_conditional_quantiles_in_their_own_type(kind):
    x = np.random.default_rng(0).normal(size=500)
    days = 30 * x + 10 * np.random.default_rng(1).normal(size=500)
    X = pd.DataFrame({"x": x, "day": DATES[kind](days)})

    def log_density(X):
        return stats.norm.logpdf(days_after(list(X["day"])), 30 * X["x"].to_numpy(float), 10)

    detector = DensityOutlierDetector(Known(log_density)).fit(X)
    new = X[:4].assign(x=[0.0, 1.0, -1.0, 0.0])
    reasons = detector.reasons(new, n_columns=None)
    at = reasons.columns == "day"
    for z, got in ((-1.645, reasons.low), (0, reasons.typical), (1.645, reasons.high)):
        assert {type(value) for value in got[at]} == {type(X["day"][0])}
        error = days_after(got[at]) - 30 * new["x"].to_numpy() - 10 * z
        # Dates are whole days; midnight does not stand for its day but for an instant.
        assert np.abs(error).max() <= (1.0 if kind == "objects" else 0.3)
    assert np.isnan(reasons.probability[at]).all()
    frame = reasons.to_frame()
    assert list(frame["typical"]) == list(reasons.typical.ravel())
    assert str(pickle.loads(pickle.dumps(reasons))) == str(reasons)


@pytest.mark.parametrize("kind", DATES)
def test_dates_survive_the_way_to_numbers_and_back(kind):
    column = DATES[kind](np.round(np.random.default_rng(0).normal(0, 400, 300) * 86400) / 86400)
    units = Dates.of(column)
    back = units.values(units.numbers(column))
    assert back.dtype == column.dtype
    late = [
        pd.Timedelta(abs(a - b)) > pd.Timedelta(1, "ms") for a, b in zip(back, column, strict=True)
    ]
    # An hour that comes twice a year is the first.
    assert sum(late) <= (5 if "zone" in kind else 0)
    beyond = units.values(np.array([-1e30, 1e30]))
    assert not units.can_hold(np.array([-1e30, 1e30])).any()
    assert len(beyond) == 2
    # Files of older versions do not say what held the column.
    older = copy.copy(units)
    del vars(older)["is_array"]
    assert (
        older.objects(units.numbers(column)).tolist()
        == units.objects(units.numbers(column)).tolist()
    )


def test_arrays_and_missing_dates_have_typical_dates():
    days = np.random.default_rng(0).integers(0, 400, size=(200, 2))
    X = np.datetime64("2020-01-01") + days.astype("m8[D]")
    X[::9, 1] = "NaT"

    def log_density(X):
        return (X == X).sum(1) * 0.0

    for dtype in ("M8[D]", "M8[ns]", object):
        got = DensityOutlierDetector(Known(log_density)).fit(X.astype(dtype)).reasons(X[:2])
        assert got.columns[0].tolist() == ["x0", "x1"]
        assert {type(value) for value in got.typical[1]} == {type(X.astype(dtype)[1, 0])}
        assert "x1 is missing" in str(got)
        assert "00:00" not in str(got)


def test_a_strange_date_is_told_with_a_typical_interval():
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2020-02-10") + pd.to_timedelta(rng.integers(-90, 90, 400), unit="D")
    X = pd.DataFrame({"day": day, "x": rng.normal(size=400)})
    detector = DensityOutlierDetector(random_state=0).fit(X)
    reasons = detector.reasons(X[:1].assign(day=pd.Timestamp("2031-01-01")), n_columns=1)
    assert str(reasons).startswith("row 0\n    day = 2031-01-01, typical 20")
    assert "00:00" not in str(reasons)
    assert reasons.low[0, 0] < reasons.typical[0, 0] < reasons.high[0, 0] < day.max()


def test_few_dates_are_levels_with_a_probability():
    day = pd.to_datetime(np.resize(["2020-01-01", "2020-06-01", "2020-01-01"], 300))
    X = pd.DataFrame({"day": day, "x": rows(300, 1)[:, 0]})
    weight = {day[0]: 0.998, day[1]: 0.002}

    def log_density(X):
        return np.log(X["day"].map(weight).to_numpy(float)) + stats.norm.logpdf(X["x"])

    reasons = DensityOutlierDetector(Known(log_density)).fit(X).reasons(X[1:2], n_columns=1)
    assert str(reasons) == "row 1\n    day = 2020-06-01, typical 2020-01-01 (>99%): +6.2 nats"


def test_columns_that_are_left_out_come_last_and_only_if_all_are_asked_for():
    X = pd.DataFrame(rows(200, 2), columns=["a", "b"]).assign(number=np.arange(200))
    with pytest.warns(IdentifierWarning):
        detector = DensityOutlierDetector(random_state=0).fit(X[["number", "a", "b"]])
    new = X.loc[:2, ["number", "a", "b"]].assign(a=[0.0, np.nan, 9.0])
    for n_columns in (1, 2, 3):
        assert "number" not in detector.reasons(new, n_columns).columns
    reasons = detector.reasons(new, n_columns=None)
    assert (reasons.columns[:, -1] == "number").all()
    np.testing.assert_array_equal(reasons.is_left_out, reasons.columns == "number")
    told = str(reasons).splitlines()
    assert told[3::4] == [f"    number = {i}, not looked at" for i in range(3)]
    assert told[6] == "    a is missing"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9e6, "9000000"),
        (18530.0, "18530"),
        (18534.6, "18534.6"),
        (1234567.0, "1234567"),
        (-999999.6, "-1000000"),
        (0.25, "0.25"),
        (1 / 3, "0.333333"),
        (np.float32(0.1), "0.1"),
        (3e12, "3e+12"),
        (1e-9, "1e-09"),
        (12345678, "12345678"),
        (0.0, "0"),
        (np.inf, "inf"),
    ],
)
def test_numbers_are_short_and_their_whole_part_is_told(value, text):
    assert number_shown(value) == text


def test_a_probability_is_certain_only_where_it_is_one():
    got = [probability_shown(x) for x in (1.0, 0.9999, 0.994, 0.5, 0.001, 0.0)]
    assert got == ["100%", ">99%", "99%", "50%", "<1%", "0%"]


@pytest.mark.parametrize(
    ("value", "precision", "text"),
    [
        (np.datetime64("2024-02-02"), "days", "2024-02-02"),
        (np.datetime64("2024-02-02T14:30:00.999999999"), "minutes", "2024-02-02 14:30"),
        (datetime.datetime.max, "seconds", "9999-12-31 23:59:59"),
        (pd.Timestamp("2024-02-02 14:30", tz="Asia/Tokyo"), "minutes", "2024-02-02 14:30+09:00"),
        (datetime.date(2024, 2, 2), "days", "2024-02-02"),
        (pd.Timedelta(3, "D"), "days", "3 days"),
        (pd.Timedelta("1 days 02:03:04.5"), "seconds", "1 day 02:03:04"),
        (np.timedelta64(-90, "m"), "minutes", "-01:30:00"),
        (datetime.timedelta(0), "days", "0 days"),
        ("2024-02-02 00:00:00", "days", "2024-02-02 00:00:00"),
        (True, "days", "True"),
    ],
)
def test_dates_are_told_as_finely_as_they_are(value, precision, text):
    assert shown_value(value, precision) == text


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ((0.104223, -1.64719, 2.07409), (0.1, -1.6, 2.1)),
        ((5516780.0, 5386560.0, 5653423.0), (5520000.0, 5390000.0, 5650000.0)),
        ((2.0, 2.0, 2.0), (2.0, 2.0, 2.0)),
        ((0.25, -np.inf, np.inf), (0.25, -np.inf, np.inf)),
        ((3, 1.25, 5.25), (3, 1.25, 5.25)),
    ],
)
def test_typical_numbers_have_two_digits_of_their_interval(known, told):
    assert _as_fine_as_known(*known) == told
    for exact, rounded in zip(known, told, strict=True):
        assert exact == rounded or abs(exact - rounded) < 0.1 * (known[2] - known[1])

"""Columns are known by their labels, whatever type these have."""

from __future__ import annotations

import datetime
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from flowkit import (
    PHVAE,
    DensityDisplay,
    DensityOutlierDetector,
    FlowDensity,
    FractalFlowDensity,
    RGFlowDensity,
    StackedDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit.exceptions import (
    ConstantColumnWarning,
    InvalidDataError,
    InvalidParameterError,
    UnknownNameError,
    UnsupportedValueError,
)

_SMALL = {"hidden_units": 8, "max_epochs": 1, "random_state": 0}
_FLOW = FlowDensity("affine_coupling", n_transforms=1, **_SMALL)
DENSITIES = {
    "flow": _FLOW,
    "fractal": FractalFlowDensity(n_topics=2, n_blocks=1, lda_backend=None, **_SMALL),
    "rg": RGFlowDensity(n_layers=1, **_SMALL),
    "phvae": PHVAE(n_components=1, **_SMALL),
    "transformed": TransformedDensity(StandardScaler(), GaussianMixture(random_state=0)),
    "stack": StackedDensity([("mixture", GaussianMixture())], random_state=0),
}
ESTIMATORS = {
    **DENSITIES,
    "table": TableDensity(GaussianMixture(random_state=0), random_state=0),
    "detector": DensityOutlierDetector(GaussianMixture(random_state=0), random_state=0),
}
every = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
LABELS = {
    "reversed": [2, 1, 0],
    "positions": [0, 1, 2],
    "years": [1990, 2000, 2010],
    "halves": [0.5, 1.0, 1.5],
    "dates": [datetime.date(2020, 1, day) for day in (1, 2, 3)],
    "levels": [("lab", "a"), ("lab", "b"), ("home", "a")],
}
labels = pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)


def frame(labels, n=60):
    """Three columns, which no estimator takes for each other."""
    X = np.random.default_rng(0).normal([0, 5, 50], [1, 2, 3], size=(n, 3))
    return pd.DataFrame(X, columns=labels)


@every
@pytest.mark.parametrize("labels", [LABELS[key] for key in ("reversed", "levels")])
def test_reordered_and_other_labels_are_refused(estimator, labels):
    X = frame(labels)
    fitted = clone(estimator).fit(X)
    scores = fitted.score_samples(X)
    again = pickle.loads(pickle.dumps(fitted))
    for known in (fitted, again):
        assert_allclose(known.score_samples(X), scores, atol=1e-7)
        with pytest.raises(InvalidDataError, match=r"feature names should match.*same order"):
            known.score_samples(X[labels[::-1]])
        with pytest.raises(InvalidDataError, match=r"unseen at fit time: 'other'.*now missing"):
            known.score_samples(X.set_axis(pd.Index(["other", *labels[1:]], dtype=object), axis=1))
    # Another fit forgets them.
    other = X.set_axis([7, 8, 9], axis=1)
    assert_allclose(fitted.fit(other).score_samples(other), scores, atol=1e-7)


@every
def test_positions_and_arrays_go_together(estimator):
    X = frame([0, 1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = clone(estimator).fit(X)
        scores = fitted.score_samples(X.to_numpy())
        assert_allclose(scores, clone(estimator).fit(X.to_numpy()).score_samples(X), atol=1e-9)
    assert_allclose(scores, fitted.score_samples(X), atol=1e-9)
    named = clone(estimator).fit(frame([2, 1, 0]))
    with pytest.warns(UserWarning, match="X has no column names"):
        assert_allclose(named.score_samples(X.to_numpy()), scores, atol=1e-9)


@every
def test_a_name_of_two_columns_is_refused(estimator):
    for names in (["a", "b", "a"], [1, 2, 1]):
        with pytest.raises(InvalidDataError, match=f"several columns of the name {names[0]!r}"):
            clone(estimator).fit(frame(names))


def test_keys_are_labels_first_and_positions_where_there_is_none():
    X = frame([2, 1, 0]).abs()
    for key, column in ((2, 0), (0, 2)):
        fitted = clone(ESTIMATORS["table"]).set_params(bounds={key: (0, None)}).fit(X)
        assert [kind == "bounded" for kind in fitted.kinds_] == [j == column for j in range(3)]
    tuples = frame(LABELS["levels"]).abs()
    table = clone(ESTIMATORS["table"]).set_params(
        bounds={("home", "a"): (0, None)}, kinds={0: "bounded"}, periods={("lab", "b"): 24}
    )
    with pytest.raises(InvalidParameterError, match=r"column \('lab', 'a'\) is bounded, but has"):
        table.fit(tuples)
    fitted = table.set_params(kinds="auto").fit(tuples)
    assert fitted.kinds_ == ["continuous", "circular", "bounded"]
    assert fitted.report().splitlines()[3].startswith("('home', 'a')")
    pd.testing.assert_index_equal(fitted.sample(3).columns, tuples.columns)
    with pytest.raises(UnknownNameError, match=r"names column 7, X has columns 0 to 2.*1990"):
        table.set_params(bounds={7: (0, None)}, periods=None).fit(frame(LABELS["years"]))
    with pytest.raises(UnknownNameError, match=r"names column '1990'.*mean 1990\?"):
        TableDensity(GaussianMixture(), bounds={"1990": (0, None)}).fit(frame(LABELS["years"]))
    with pytest.raises(UnknownNameError, match="bounds names column True"):
        table.set_params(bounds={True: (0, None)}).fit(frame([2, 1, 0]))


def test_categories_stand_under_the_labels():
    X = frame([2, 1, 0])
    X[2] = np.where(np.arange(len(X)) % 3 == 0, "yes", "no")
    fitted = clone(ESTIMATORS["table"]).fit(X)
    assert list(fitted.categories_) == [2]
    assert fitted.sample(3, random_state=0).columns.tolist() == [2, 1, 0]


@labels
def test_labels_are_shown(labels):
    X = frame(labels)
    effects = clone(ESTIMATORS["detector"]).set_output(transform="pandas").fit(X).explain(X[:2])
    pd.testing.assert_index_equal(effects.columns, X.columns)
    holed, constant = X.copy(), X.copy()
    holed.iloc[0, 1] = np.nan
    constant.iloc[:, 1] = 1.0
    with pytest.raises(InvalidDataError, match=re.escape(f"column(s) {labels[1]}.")):
        clone(_FLOW).fit(holed)
    with pytest.warns(ConstantColumnWarning, match=re.escape(f"column(s) {labels[1]} hold")):
        clone(_FLOW).fit(constant)
    fractal = clone(DENSITIES["fractal"]).fit(X)
    assert str(labels[0]) in str(fractal.topics_)
    display = DensityDisplay.from_estimator(
        clone(_FLOW).fit(X), X, features=labels[1:], grid_resolution=3
    )
    assert display.ax_.get_xlabel() == str(labels[1])


_DAYS = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(60), unit="D")
NO_NUMBERS = {
    "text": (["S", "L"] * 30, "'S', a str.*TableDensity"),
    "category": (pd.Categorical(["S", "L"] * 30), "'S', a str.*TableDensity"),
    "bytes": ([b"S"] * 60, "b'S'.*TableDensity"),
    "timestamps": (_DAYS, r"Timestamp\('2024-01-01.*days since a date.*TableDensity"),
    "zoned": (_DAYS.tz_localize("UTC"), "Timestamp.*days since a date"),
    "dates": (_DAYS.date, r"datetime.date\(2024, 1, 1\), a date.*days since a date"),
    "lengths": (_DAYS - _DAYS[0], "Timedelta.*days since a date"),
    "numpy": (list(_DAYS.to_numpy()), "64.*days since a date|Timestamp.*days since a date"),
    "periods": (_DAYS.to_period("D"), "a Period"),
    "tuples": ([(1, 2)] * 60, r"\(1, 2\), a tuple"),
    "dicts": ([{"a": 1}] * 60, "a dict"),
}


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
@pytest.mark.parametrize(("values", "words"), NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_what_is_no_number_is_refused_by_column(density, values, words):
    wrong = frame(["a", "b", "c"]).assign(b=values)
    with pytest.raises(UnsupportedValueError, match=f"column b holds.*{words}"):
        clone(density).fit(wrong)
    with pytest.raises(UnsupportedValueError, match="column 1 holds"):
        clone(density).fit(wrong.astype(object).to_numpy())


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_text_is_refused_where_rows_are_scored(density):
    X = frame(["a", "b", "c"])
    with pytest.raises(UnsupportedValueError, match="column b"):
        clone(density).fit(X).score_samples(X.assign(b="x"))


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
@pytest.mark.parametrize("dtype", ["M8[ns]", "M8[D]", "m8[ns]", "m8[s]"])
def test_arrays_of_dates_are_no_nanoseconds(density, dtype):
    X = np.arange(120).reshape(60, 2).astype(dtype)
    for given in (X, pd.DataFrame(X, columns=["a", "b"])):
        with pytest.raises(UnsupportedValueError, match=r"column [0a] holds"):
            clone(density).fit(given)


@pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
def test_columns_without_any_date_are_dates(density):
    X = frame(["a", "b", "c"]).assign(b=pd.NaT)
    with pytest.raises(UnsupportedValueError, match="column b holds NaT"):
        clone(density).fit(X)


def test_the_default_detector_and_polars_name_the_column():
    X = frame(["a", "b", "c"])
    with pytest.raises(UnsupportedValueError, match=r"column b holds 'x'.*held numbers"):
        DensityOutlierDetector().fit(X).predict(X.assign(b="x"))
    with pytest.raises(UnsupportedValueError, match=r"column b holds 'x'.*TableDensity"):
        clone(_FLOW).fit(pl.DataFrame(X.assign(b="x").to_dict("list")))
    day = pl.DataFrame({"day": [datetime.date(2024, 1, 1)] * 60, "a": X["a"].to_list()})
    with pytest.raises(UnsupportedValueError, match="column day holds"):
        clone(_FLOW).fit(day)
    with pytest.raises(UnsupportedValueError, match="column 0 holds 'a'"):
        clone(_FLOW).fit([["a", 1.0], ["b", 2.0]])


def test_labels_may_mix_types():
    labels = ["a", 1, ("t", 2)]
    X = frame(labels)
    density = clone(_FLOW).fit(X)
    assert_array_equal(density.score_samples(X), clone(_FLOW).fit(X.to_numpy()).score_samples(X))
    for estimator in (density, TableDensity(clone(_FLOW), bounds={1: (-99, None)}).fit(X)):
        with pytest.raises(InvalidDataError, match="same order as they were in fit: 'a', 1"):
            estimator.score_samples(X[labels[::-1]])
    detector = DensityOutlierDetector(clone(_FLOW)).fit(X)
    assert detector.get_part_names() == labels


def test_numbers_that_are_objects_or_text_still_pass():
    X = frame(["a", "b", "c"])
    expected = clone(_FLOW).fit(X).score_samples(X)
    for given in (X.astype(object), X.map(repr), X.astype(object).to_numpy()):
        assert_array_equal(clone(_FLOW).fit(given).score_samples(given), expected)
    whole = X.round().astype("Int64")
    assert np.isfinite(clone(_FLOW).fit(whole.assign(b=True)).score_samples(whole)).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (_DAYS.tz_localize("UTC"), "day is of type datetime64.*days since a date.*periods"),
        (_DAYS.date, r"day holds datetime.date\(2024, 1, 1\), a date.*pandas.to_datetime"),
        (_DAYS.to_period("D"), "day holds Period.*days since a date"),
        (_DAYS - _DAYS[0], "day is of type timedelta64.*days since a date"),
        ([_DAYS[0].time()] * 60, "day holds datetime.time.*hour of the day"),
        ([(1, 2)] * 60, r"day holds \(1, 2\), a tuple.*entries a column"),
        ([[1, 2]] * 60, r"day holds \[1, 2\], a list.*entries a column"),
        ([{"a": 1}] * 60, "day holds {'a': 1}, a dict.*entries a column"),
        ([1j] * 60, "day is of type complex"),
        ([object()] * 60, "day holds <object.*float"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_a_table_says_what_to_do_with_what_it_does_not_take(values, words):
    with pytest.raises(UnsupportedValueError, match=f"column {words}"):
        clone(ESTIMATORS["table"]).fit(frame(["a", "b", "c"]).assign(day=values))


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (TableDensity(), r"density is None, which stands for FlowDensity\(\)"),
        (DensityOutlierDetector(), "density is None, which stands for four"),
        (DensityOutlierDetector([FlowDensity()]), r"density is \[FlowDensity\(\)\]"),
        (TransformedDensity(None, TableDensity()), "density is None, which stands for Flow"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_parameters_of_no_estimator_say_so(estimator, words):
    name = "density__max_epochs"
    if isinstance(estimator, TransformedDensity):
        name = f"density__{name}"
    with pytest.raises(UnknownNameError, match=rf"{words}.*density=FlowDensity\(max_epochs=3\)"):
        estimator.set_params(**{name: 3})


def test_parameters_of_an_estimator_that_comes_with_them_are_set():
    table = TableDensity().set_params(density=FlowDensity(), density__max_epochs=3)
    assert table.density.max_epochs == 3
    with pytest.raises(UnknownNameError, match="prior is 'gaussian_mixture' and has no parameters"):
        FlowDensity().set_params(prior__scale=1)

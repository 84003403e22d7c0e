"""Mixed tables: every kind of column keeps the density one, and scores in the user's units."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit import FlowDensity, TableDensity
from flowkit.exceptions import (
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
    UnknownNameError,
)

INNER = {
    "flow": FlowDensity(n_transforms=2, hidden_units=16, max_epochs=3, random_state=0),
    "mixture": GaussianMixture(3, random_state=0),
    "kernel": KernelDensity(bandwidth=0.3),
}
inner = pytest.mark.parametrize("density", INNER.values(), ids=INNER)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def frame(rng):
    """Columns of every kind and type, of which `weight` depends on `size` and `hour` wraps."""
    n = 300
    size = rng.choice(["S", "M", "L"], p=[0.5, 0.3, 0.2], size=n)
    return pd.DataFrame(
        {
            "size": pd.Categorical(size, categories=["S", "M", "L", "XL"], ordered=True),
            "colour": rng.choice(["red", "green", "blue"], size=n),
            "new": rng.uniform(size=n) < 0.3,
            "age": rng.integers(18, 80, n).astype("int16"),
            "children": pd.array(rng.poisson(1.2, n), dtype="Int64"),
            "weight": rng.lognormal((size == "L") + 0.5 * (size == "M"), 0.3),
            "share": rng.beta(2, 3, n),
            "hour": rng.normal(23.5, 2, n) % 24,
            "score": rng.normal(size=n),
        }
    )


DECLARED = {
    "bounds": {"weight": (0, None), "share": (0, 1), "children": (0, None)},
    "periods": {"hour": 24},
}
FRAME_KINDS = [
    *3 * ["categorical"],
    *2 * ["integer"],
    *2 * ["bounded"],
    "circular",
    "continuous",
]


def table(density=INNER["mixture"], **parameters):
    return TableDensity(density, **{"random_state": 0, **parameters})


def objects(*columns):
    """An array of columns of different types."""
    array = np.empty((len(columns[0]), len(columns)), dtype=object)
    for j, column in enumerate(columns):
        array[:, j] = np.asarray(column).tolist()
    return array


def integral(density, x):
    """Of a density of one column, over a grid."""
    return np.trapezoid(np.exp(density.score_samples(x[:, None])), x)


# ---- densities stay densities ----


@inner
def test_a_real_column_integrates_to_one(density, rng):
    X = rng.normal(3.0, 2.0, size=(300, 1))
    assert_allclose(integral(table(density).fit(X), np.linspace(-20, 26, 1001)), 1, atol=1e-3)


@inner
@pytest.mark.parametrize("bounds", [(2, None), (None, 2), (2, 5)], ids=str)
def test_a_bounded_column_integrates_to_one_within_its_bounds(density, bounds, rng):
    draws = rng.beta(0.8, 2, size=(300, 1))
    low, high = bounds
    X = 2 + 3 * draws if low is not None else 2 - 3 * draws
    fitted = table(density, bounds={0: bounds}).fit(X)
    # Even steps of the encoded column resolve the density next to the bounds.
    y = np.linspace(-16, 16, 5001)
    x = {(2, None): 2 + np.exp(y), (None, 2): 2 - np.exp(-y)}.get(bounds, 2 + 3 / (1 + np.exp(-y)))
    assert_allclose(integral(fitted, x), 1, atol=2e-3)
    outside = [[value] for value in (low and low - 1e-9, high and high + 1e-9) if value]
    assert_array_equal(fitted.score_samples(outside), -np.inf)


def test_a_bounded_column_has_the_density_of_the_change_of_variables(rng):
    X = rng.lognormal(size=(500, 1))
    fitted = table(GaussianMixture(1), bounds={0: (0, None)}).fit(X)
    log = norm(np.log(X).mean(), np.sqrt(np.log(X).var() + 1e-6))
    assert_allclose(fitted.score_samples(X), (log.logpdf(np.log(X)) - np.log(X))[:, 0], atol=1e-9)


@inner
def test_a_circular_column_integrates_to_one_and_does_not_jump(density, rng):
    X = rng.uniform(-3, 3, size=(300, 1))
    fitted = table(density, periods={0: (-3, 6)}).fit(X)
    assert_allclose(integral(fitted, np.linspace(-3, 3, 5001)), 1, atol=1e-4)
    cut = fitted._codecs[0].cut
    left, right = fitted.score_samples([[cut - 1e-7], [cut + 1e-7]])
    assert_allclose(left, right, atol=1e-5)
    # Without the turns it would jump, so the test can fail.
    g = fitted.density_.score_samples([[cut], [cut + 6]])
    assert abs(g[0] - g[1]) > 1e-3


def test_an_angle_is_the_same_after_whole_turns(rng):
    X = rng.normal(0, 0.5, size=(200, 1))
    fitted = table(periods={0: (0, 2 * np.pi)}).fit(X)
    assert_allclose(
        fitted.score_samples(X), fitted.score_samples(X + 2 * np.pi * 7), rtol=0, atol=1e-9
    )
    assert np.pi / 2 < fitted._codecs[0].cut < 3 * np.pi / 2


@inner
def test_categories_sum_and_reals_integrate_to_one(density, rng):
    level = rng.choice(["a", "b", "c"], p=[0.6, 0.3, 0.1], size=300)
    fitted = table(density).fit(objects(level, rng.normal(level == "b", 0.5)))
    x = np.linspace(-6, 7, 201)
    mass = [
        np.trapezoid(np.exp(fitted.score_samples(objects(np.full(x.shape, k), x))), x)
        for k in "abc"
    ]
    assert_allclose(sum(mass), 1, atol=2e-3)
    assert_allclose(mass, [0.6, 0.3, 0.1], atol=0.1)


def test_the_sum_over_levels_is_the_density_of_the_other_columns(rng):
    level = rng.choice(list("abcd"), size=400)
    x = rng.normal((level == "a") * 2, 1)
    fitted = table(GaussianMixture(2, random_state=0), n_draws=1024).fit(objects(level, x))
    grid = np.linspace(-3, 4, 41)
    scores = [fitted.score_samples(objects(np.full(grid.shape, k), grid)) for k in "abcd"]
    mixture = fitted.density_
    components = norm(mixture.means_[:, 1], np.sqrt(mixture.covariances_[:, 1, 1]))
    expected = np.log(mixture.weights_ @ components.pdf(grid[:, None]).T)
    assert_allclose(logsumexp(scores, axis=0), expected, atol=2e-3)


def test_probability_of_integers_is_that_of_their_cells(rng):
    X = np.round(rng.multivariate_normal([3, 0], [[4, 1.5], [1.5, 1]], size=2000))
    fitted = table(GaussianMixture(1), cells="probability", n_draws=256).fit(X)
    fine = multivariate_normal(fitted.density_.means_[0], fitted.density_.covariances_[0])
    rows = np.array([[3, 0], [5, 1], [1, 2], [9, 3]])
    expected = [fine.cdf(row + 0.5, lower_limit=row - 0.5) for row in rows]
    assert_allclose(np.exp(fitted.score_samples(rows)), expected, rtol=0.01)
    every = np.stack(np.meshgrid(np.arange(-12, 19), np.arange(-8, 9)), -1).reshape(-1, 2)
    assert_allclose(np.exp(fitted.score_samples(every)).sum(), 1, atol=1e-3)
    assert_allclose(
        table(GaussianMixture(1)).fit(X).score_samples(rows), fine.logpdf(rows), atol=1e-9
    )


def test_cells_of_a_rounded_normal_have_its_probabilities(rng):
    X = np.round(rng.normal(0.3, 1.0, size=(2000, 1)))
    fitted = table(INNER["flow"], cells="probability").fit(X)
    k = np.arange(-3, 4)
    expected = norm(0.3, 1).cdf(k + 0.5) - norm(0.3, 1).cdf(k - 0.5)
    assert_allclose(np.exp(fitted.score_samples(k[:, None])), expected, atol=0.03)


@pytest.mark.parametrize("bounds", [(0, None), (None, 0), (0, 5)], ids=str)
def test_cells_of_bounded_integers_sum_to_one(bounds, rng):
    sign = -1 if bounds[0] is None else 1
    X = sign * rng.binomial(5, 0.2, size=(500, 1))
    fitted = table(cells="probability", n_draws=512, bounds={0: bounds}).fit(X)
    cells = sign * np.arange(6 if bounds == (0, 5) else 2000)
    assert_allclose(np.exp(fitted.score_samples(cells[:, None])).sum(), 1, atol=2e-3)
    assert fitted.score_samples([[-sign]])[0] == -np.inf


def test_the_table_of_two_categories_is_recovered(rng):
    truth = np.array([[0.30, 0.02, 0.08], [0.05, 0.25, 0.02], [0.03, 0.05, 0.20]])
    cell = rng.choice(9, p=truth.ravel(), size=2000)
    density = FlowDensity(n_transforms=2, hidden_units=32, max_epochs=15, random_state=0)
    fitted = table(density, kinds=["categorical"] * 2).fit(np.stack([cell // 3, cell % 3], 1))
    every = np.stack([np.arange(9) // 3, np.arange(9) % 3], 1)
    probability = np.exp(fitted.score_samples(every))
    assert_allclose(probability.sum(), 1, atol=0.01)
    assert_allclose(probability.reshape(3, 3), truth, atol=0.025)


def test_the_error_covers_the_distance_to_many_draws(frame):
    fitted = table(**DECLARED, cells="probability").fit(frame)
    frame = frame[:100]
    score, std = fitted.score_samples(frame, return_std=True)
    exact = fitted.set_params(n_draws=2048).score_samples(frame)
    assert np.mean(np.abs(score - exact) < 2 * std) > 0.9
    assert np.all(std < 1)
    _, none = table().fit(frame[["score"]]).score_samples(frame[["score"]], return_std=True)
    assert_array_equal(none, 0)


# ---- outside the support, and at its edge ----


def test_what_cannot_be_has_no_density(frame):
    fitted = table(**DECLARED).fit(frame)
    wrong = {"colour": "violet", "age": 20.5, "children": -1, "weight": -1.0, "share": 1.5}
    for column, value in wrong.items():
        row = frame[:1].astype({column: object}).assign(**{column: [value]})
        assert fitted.score_samples(row)[0] == -np.inf, column
    kept = frame[:1].assign(size=["XL"], hour=[240.0])
    assert np.isfinite(fitted.score_samples(kept)).all()


def test_values_on_a_bound_are_kept(rng):
    X = np.concatenate([[0.0, 0.0, 1.0], rng.uniform(size=97)])[:, None]
    fitted = table(bounds={0: (0, 1)}).fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
    nearest = np.sort(X[:, 0])[2]
    with_it, beside_it = fitted._codecs[0].points(np.array([0.0, nearest / 2]), None)[0]
    assert_allclose(with_it, beside_it)
    edges = table(kinds=["bounded"], bounds={0: (0, 1)}).fit(np.tile([[0.0], [1.0]], (10, 1)))
    assert np.isfinite(edges.score_samples([[0.0], [1.0], [0.5]])).all()


# ---- what columns are taken for ----


def test_kinds_are_recognised(frame):
    fitted = table(**DECLARED).fit(frame)
    assert fitted.kinds_ == FRAME_KINDS
    assert list(fitted.categories_) == ["size", "colour", "new"]
    assert_array_equal(fitted.categories_["size"], ["S", "M", "L", "XL"])
    assert_array_equal(fitted.feature_names_in_, frame.columns)


def test_the_report_says_what_and_why(frame):
    fitted = table(**DECLARED, kinds={"age": "continuous"}).fit(frame)
    lines = fitted.report().splitlines()
    assert len(lines) == 1 + frame.shape[1]
    for line, name, words in zip(
        lines[1:],
        frame,
        [
            ("category", "4 levels", "S "),
            ("3 levels", "red"),
            ("bool", "True"),
            ("continuous", "declared", "18 to 79"),
            ("bounds are declared", "bounds 0 and inf", "repeat 1 apart"),
            ("bounded", "bounds 0 and inf"),
            ("bounds 0 and 1",),
            ("a period is declared", "from 0 to 24"),
            ("continuous", "real numbers"),
        ],
        strict=True,
    ):
        assert line.startswith(name)
        assert all(word in line for word in words), line
    as_frame = fitted.report(as_frame=True)
    assert list(as_frame.columns) == ["column", "kind", "why", "details"]
    assert_array_equal(as_frame.kind, fitted.kinds_)


def test_a_list_or_indices_declare_columns_of_arrays(rng):
    X = np.column_stack([rng.integers(0, 3, 100), rng.uniform(1, 2, 100), rng.integers(0, 9, 100)])
    by_list = table(kinds=["categorical", "auto", "auto"], bounds={1: (1, 2)}).fit(X)
    by_index = table(kinds={0: "categorical"}, bounds={1: (1, 2)}).fit(X)
    assert by_list.kinds_ == by_index.kinds_ == ["categorical", "bounded", "integer"]
    assert_array_equal(by_list.score_samples(X), by_index.score_samples(X))


def test_levels_with_like_rows_are_neighbours(rng):
    level = rng.permutation(np.repeat(list("adbecf"), 100))
    x = rng.normal([ord(k) for k in level], 0.5)
    order = "".join(table().fit(objects(level, x)).categories_[0])
    assert order in ("abcdef", "fedcba")
    numbers = np.stack([[ord(k) for k in level], x], 1)
    order = table(kinds={0: "categorical"}).fit(numbers).categories_[0]
    assert np.all(np.abs(np.diff(order)) == 1)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"kinds": {"wieght": "bounded"}}, UnknownNameError, "mean 'weight'"),
        ({"kinds": {"score": "continous"}}, UnknownNameError, "score.*mean 'continuous'"),
        ({"kinds": {11: "integer"}}, UnknownNameError, "0 to 8"),
        ({"kinds": ["auto"]}, InvalidParameterError, "1 entries, X has 9"),
        ({"kinds": {"score": "bounded"}}, InvalidParameterError, "score is bounded.*bounds="),
        ({"kinds": {"hour": "circular"}}, InvalidParameterError, "hour is circular.*periods="),
        ({"kinds": {"score": "integer"}}, InvalidDataError, "score is declared integer"),
        ({"kinds": {"colour": "continuous"}}, InvalidDataError, "colour is declared.*'[a-z]+'"),
        ({"bounds": {"score": (0, None)}}, OutsideSupportError, "score has bounds 0 and inf"),
        ({"bounds": {"weight": (5, 0)}}, InvalidParameterError, "weight must rise"),
        ({"bounds": {"weight": 5}}, InvalidParameterError, "weight must be .low, high."),
        ({"bounds": {"weight": (None, None)}}, InvalidParameterError, "weight is bounded"),
        ({"bounds": {"colour": (0, 1)}}, InvalidDataError, "colour"),
        ({"bounds": {"age": (0.5, None)}}, InvalidParameterError, "age must be whole"),
        (
            {"kinds": {"weight": "continuous"}, "bounds": {"weight": (0, None)}},
            InvalidParameterError,
            "weight is continuous and has bounds",
        ),
        ({"periods": {"hour": -24}}, InvalidParameterError, "hour must be positive"),
        ({"periods": {"hour": (0, 1, 2)}}, InvalidParameterError, "hour must be a period"),
        (
            {"kinds": {"hour": "continuous"}, "periods": {"hour": 24}},
            InvalidParameterError,
            "hour is continuous and has a period",
        ),
        (
            {"bounds": {"hour": (0, 24)}, "periods": {"hour": 24}},
            InvalidParameterError,
            "hour has both",
        ),
        ({"cells": "probabilty"}, ValueError, "mean 'probability'"),
    ],
    ids=str,
)
def test_wrong_declarations_name_the_column(frame, parameters, error, words):
    fitted = table().fit(frame[["score"]])
    before = dict(fitted.__dict__)
    with pytest.raises(error, match=words):
        fitted.set_params(**parameters).fit(frame)
    assert all(fitted.__dict__[k] is v for k, v in before.items() if k not in parameters)


def test_names_need_names(rng):
    with pytest.raises(UnknownNameError, match="no column names"):
        table(kinds={"a": "integer"}).fit(rng.normal(size=(20, 2)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": np.nan}, "NaN in column.s. score"),
        ({"score": np.inf}, "infinity in column.s. score"),
        ({"colour": None}, "NaN in column.s. colour"),
        ({"children": pd.NA}, "NaN in column.s. children"),
        ({"score": "high"}, "score was continuous"),
    ],
    ids=str,
)
def test_rows_that_cannot_be_scored_are_refused_by_column(frame, change, words):
    fitted = table(**DECLARED).fit(frame)
    column, value = next(iter(change.items()))
    dtype = object if isinstance(value, str) else frame[column].dtype
    changed = frame.assign(**{column: frame[column].astype(dtype).where(frame.index > 0, value)})
    with pytest.raises(InvalidDataError, match=words):
        fitted.score_samples(changed)


def test_dates_and_objects_are_refused_by_column(frame):
    with pytest.raises(InvalidDataError, match="day is of type datetime"):
        table().fit(frame.assign(day=pd.Timestamp("2020-01-01")))
    with pytest.raises(InvalidDataError, match="day holds"):
        table().fit(frame.assign(day=[(1, 2)] * len(frame)))
    with pytest.raises(InvalidDataError, match="day holds no value"):
        table().fit(frame.assign(day=np.nan))


# ---- tables in, tables out ----


def test_a_frame_comes_back_as_it_was(frame):
    fitted = table(INNER["flow"], **DECLARED).fit(frame)
    drawn = fitted.sample(200, random_state=1)
    assert_array_equal(drawn.dtypes, frame.dtypes)
    assert_array_equal(drawn.columns, frame.columns)
    assert np.isfinite(fitted.score_samples(drawn)).all()
    pd.testing.assert_frame_equal(drawn, fitted.sample(200, random_state=1))
    assert drawn["hour"].between(0, 24).all()
    assert drawn.groupby("size", observed=True)["weight"].median().is_monotonic_increasing
    assert_allclose((drawn["size"] == "S").mean(), 0.5, atol=0.12)


def test_polars_frames_are_like_pandas_frames(frame):
    sizes = pl.Enum(["S", "M", "L", "XL"])
    plain = frame.astype({"size": str, "children": "int64"})
    table_of_polars = pl.DataFrame(plain.to_dict("list")).cast(
        {"size": sizes, "colour": pl.Categorical, "age": pl.Int16}
    )
    fitted = table(**DECLARED).fit(table_of_polars)
    assert fitted.kinds_ == FRAME_KINDS
    assert fitted.sample(3, random_state=0).schema == table_of_polars.schema
    unordered = frame.assign(size=frame["size"].cat.as_unordered())
    expected = table(**DECLARED).fit(unordered).score_samples(unordered)
    assert_allclose(fitted.score_samples(table_of_polars), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("X", "dtype"),
    [
        (np.array([["a", "x"], ["b", "y"]]), "<U1"),
        (np.array([["a", 1.5], ["b", 2]], dtype=object), object),
        (np.array([[1, 2], [3, 5]], dtype=np.uint8), np.uint8),
        (np.array([[1.5, 2], [3, 5]], dtype=np.float32), np.float64),
        (np.array([[True, False], [False, True]]), bool),
        ([["a", 1.5], ["b", 2]], object),
    ],
    ids=str,
)
def test_arrays_come_back_as_arrays(X, dtype):
    rows = [row for row in X for _ in range(20)] if isinstance(X, list) else np.repeat(X, 20, 0)
    drawn = table(KernelDensity()).fit(rows).sample(50, random_state=0)
    assert drawn.shape == (50, 2)
    assert drawn.dtype == dtype


def test_draws_stay_within_support(rng):
    X = np.column_stack(
        [
            rng.uniform(size=100) ** 5,
            rng.integers(0, 4, 100),
            rng.normal(size=100),
            rng.integers(-9, 9, 100),
        ]
    )
    fitted = table(
        KernelDensity(bandwidth=2.0),
        bounds={0: (0, 1), 1: (0, 3)},
        periods={2: (-1, 2)},
    ).fit(X)
    drawn = fitted.sample(2000, random_state=0)
    assert (drawn >= [0, 0, -1, -np.inf]).all()
    assert (drawn <= [1, 3, 1, np.inf]).all()
    assert_array_equal(drawn[:, [1, 3]], np.round(drawn[:, [1, 3]]))
    assert np.isfinite(fitted.score_samples(drawn)).all()


def test_draws_have_the_scored_probabilities(rng):
    level = rng.choice(["a", "b", "c"], p=[0.6, 0.3, 0.1], size=300)
    X = objects(level, rng.integers(0, 3, 300))
    fitted = table(cells="probability", n_draws=512).fit(X)
    drawn = fitted.sample(4000, random_state=0)
    for k in "abc":
        rows = objects([k] * 3, [0, 1, 2])
        share = [np.mean((drawn[:, 0] == k) & (drawn[:, 1] == i)) for i in range(3)]
        assert_allclose(np.exp(fitted.score_samples(rows)), share, atol=0.03)


def test_a_density_that_cannot_be_sampled_says_so(rng):
    X = rng.normal(size=(50, 2))
    with pytest.raises(InvalidParameterError, match=r"(?s)Pipeline.* cannot be sampled"):
        table(make_pipeline(StandardScaler(), KernelDensity())).fit(X).sample()
    with pytest.raises(InvalidParameterError, match="cannot be sampled"):
        table(KernelDensity(kernel="cosine")).fit(X).sample()
    with pytest.raises(InvalidDataError, match="n_samples"):
        table().fit(X).sample(0)


# ---- scikit-learn ----


def test_a_row_has_one_score(frame):
    fitted = table(INNER["flow"], **DECLARED, cells="probability").fit(frame)
    scores = fitted.score_samples(frame)
    assert_allclose(fitted.score_samples(frame[::-1][:50]), scores[::-1][:50], rtol=0, atol=1e-7)
    assert_allclose(fitted.score(frame), scores.mean())
    again = pickle.loads(pickle.dumps(fitted))
    assert_allclose(again.score_samples(frame[:20]), scores[:20], rtol=0, atol=1e-7)


def test_one_seed_makes_a_fit_repeatable(frame):
    density = clone(INNER["flow"]).set_params(random_state=None)
    first, same, other = (
        table(density, random_state=seed).fit(frame[:100]).score_samples(frame[:20])
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_it_is_searched_like_any_estimator(frame):
    search = GridSearchCV(
        table(KernelDensity(), kinds={"age": "continuous"}, **DECLARED),
        {"density__bandwidth": [0.2, 1.0], "cells": ["density"]},
        cv=2,
    ).fit(frame)
    assert np.isfinite(search.best_score_)
    assert isinstance(search.best_estimator_.density_, KernelDensity)


def test_the_default_density_is_a_flow(rng):
    fitted = TableDensity(random_state=0).fit(rng.integers(0, 3, size=(12, 1)))
    assert isinstance(fitted.density_, FlowDensity)


def test_a_density_that_spreads_ties_does_so_in_each_epoch(rng):
    X = np.column_stack([rng.integers(0, 5, 200), rng.normal(size=200), rng.integers(0, 5, 200)])
    fitted = table(INNER["flow"], bounds={2: (0, None)}).fit(X)
    assert_array_equal(fitted.density_.dequantization_, [1, 0, 0])
    alone = clone(INNER["flow"]).set_params(dequantize=None)
    assert_array_equal(table(alone).fit(X).density_.dequantization_, 0)


def test_weights_count_rows(rng):
    X = objects(rng.choice(["a", "b"], size=60), rng.normal(size=60))
    weight = rng.integers(0, 3, 60)
    fitted = table(KernelDensity()).fit(X, sample_weight=weight)
    shares = fitted._codecs[0].frequencies
    counts = np.array([weight[X[:, 0] == k].sum() for k in fitted.categories_[0]])
    assert_allclose(shares, (counts + 0.5) / (counts.sum() + 1))
    zero_or_one = weight > 0
    left_out = table(KernelDensity()).fit(X[zero_or_one]).score_samples(X)
    weightless = table(KernelDensity()).fit(X, sample_weight=zero_or_one).score_samples(X)
    assert_allclose(weightless, left_out, atol=1e-9)
    with pytest.raises(InvalidParameterError, match="GaussianMixture takes no sample_weight"):
        table().fit(X, sample_weight=weight)
    with pytest.raises(InvalidDataError, match="leaves 1 row"):
        table(KernelDensity()).fit(X, sample_weight=np.eye(60)[0])


class NormalWithHoles(BaseEstimator):
    """Independent normal columns; missing values are integrated out."""

    def __init__(self, missing="marginalize"):
        self.missing = missing

    def fit(self, X, y=None):
        self.normal_ = norm(np.nanmean(X, axis=0), np.nanstd(X, axis=0))
        return self

    def score_samples(self, X):
        return np.nansum(self.normal_.logpdf(X), axis=1)


def test_missing_values_pass_to_a_density_that_takes_them(frame):
    for column in ("size", "colour", "age", "share", "hour", "score"):
        holes = frame.index % 7 == list(frame).index(column) % 7
        frame[column] = (
            frame[column].astype("Int16" if column == "age" else frame[column].dtype).mask(holes)
        )
    fitted = table(NormalWithHoles(), **DECLARED, n_draws=1024).fit(frame)
    assert np.isfinite(fitted.score_samples(frame)).all()
    blank = frame[["size", "colour", "new", "hour"]].assign(colour=None, hour=np.nan)
    fitted = table(NormalWithHoles(), periods={"hour": 24}, n_draws=1024).fit(frame[list(blank)])
    levels = fitted.categories_["colour"]
    by_level = [fitted.score_samples(blank[:5].assign(colour=k)) for k in levels]
    assert_allclose(logsumexp(by_level, axis=0), fitted.score_samples(blank[:5]), atol=2e-3)
    # The angle of one turn is counted once.
    assert_allclose(np.exp(fitted.score_samples(blank[:1].assign(size=None, new=None))), 1)
    with pytest.raises(InvalidDataError, match=r"NaN in column.s. size"):
        table(NormalWithHoles(missing=None)).fit(frame)


@parametrize_with_checks(
    [
        TableDensity(KernelDensity()),
        TableDensity(KernelDensity(), cells="probability", n_draws=4),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([TableDensity(INNER["flow"])])
def test_scikit_learn_checks_around_a_flow(estimator, check):
    check(estimator)

"""What columns of a table are taken for, what is drawn of them, and what is warned of."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity

from flowkit import DensityDisplay, DensityOutlierDetector, FlowDensity, TableDensity
from flowkit.exceptions import (
    HeavyValueWarning,
    InvalidDataError,
    InvalidParameterError,
    RareLevelsWarning,
    SlowScoringWarning,
)
from flowkit.tables import _encoded_density
from flowkit.tables._column_lattice import Lattice
from flowkit.tables._scoring_plan import plan

N = 1000


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def table(density=None, **parameters):
    density = GaussianMixture(2, random_state=0) if density is None else density
    return TableDensity(density, **{"random_state": 0, **parameters})


def probabilities(fitted, values, name="x"):
    return np.exp(fitted.score_samples(pd.DataFrame({name: values})))


# ---- codes and counts ----


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1], "categorical"),
        ([0.0, 1.0], "categorical"),
        ([-1, 1], "categorical"),
        ([0, 1000], "categorical"),
        ([0, 100, 1000], "categorical"),
        ([1, 2, 99], "categorical"),
        ([0], "integer"),
        ([1, 2], "categorical"),
        ([0, 1, 2], "integer"),
        ([1, 2, 3, 5], "integer"),
        ([10, 20, 30, 40], "integer"),
        ([0.0, 0.5], "categorical"),
        ([0.0, 0.5, 1.0], "continuous"),
    ],
    ids=str,
)
def test_codes_are_told_from_counts(values, kind, rng):
    X = pd.DataFrame({"x": rng.choice(values, N)})
    fitted = table(KernelDensity(), cells="probability").fit(X)
    assert fitted.kinds_ == [kind]
    if kind == "categorical":
        assert_allclose(probabilities(fitted, values).sum(), 1, atol=0.01)
        assert set(fitted.sample(200, random_state=0)["x"]) <= set(values)
        assert fitted.sample(5)["x"].dtype == X["x"].dtype
        outside = [min(values) - 1, max(values) + 1]
        assert_array_equal(probabilities(fitted, outside), 0)


def test_a_rare_value_far_off_makes_no_codes(rng):
    X = pd.DataFrame({"children": np.append(rng.integers(0, 4, N), 15)})
    assert table().fit(X).kinds_ == ["integer"]


@pytest.mark.parametrize("step", [2, 1000])
@pytest.mark.parametrize("bounds", [None, "seen"], ids=str)
def test_cells_are_as_wide_as_integers_are_apart(step, bounds, rng):
    values = 3 + step * np.arange(6)
    X = pd.DataFrame({"x": rng.choice(values, N)})
    density = FlowDensity(n_transforms=1, hidden_units=8, max_epochs=3, random_state=0)
    fitted = table(density, cells="probability", bounds=bounds).fit(X)
    assert fitted.kinds_ == ["integer"]
    assert f"which repeat {step} apart" in fitted.report()
    beyond = step * np.arange(-3, 0)
    lattice = np.concatenate([values[0] + beyond, values, values[-1] - beyond])
    assert_allclose(probabilities(fitted, lattice).sum(), 1, atol=0.01)
    assert_allclose(probabilities(fitted, values), 1 / 6, atol=0.04)
    # What has no probability is not drawn, and the other way round.
    assert_array_equal(probabilities(fitted, values[:-1] + 1), 0)
    drawn = fitted.sample(N, random_state=0)
    assert np.isfinite(fitted.score_samples(drawn)).all()
    assert set(drawn["x"]) <= set(lattice)
    # A density, per unit, is one for the numbers between as well.
    per_unit = table(density, bounds=bounds).fit(X)
    every = np.arange(lattice[0], lattice[-1] + 1)
    expected = 1 if bounds is None else (5 * step + 1) / (6 * step)
    assert_allclose(probabilities(per_unit, every).sum(), expected, atol=0.1)


@pytest.mark.parametrize("bounds", ["seen", {"month": "seen", "visits": "seen"}], ids=str)
def test_seen_bounds_are_those_of_training(bounds, rng):
    X = pd.DataFrame(
        {"month": rng.integers(1, 13, N), "visits": rng.poisson(1.5, N), "z": rng.normal(size=N)}
    )
    fitted = table(bounds=bounds).fit(X)
    assert fitted.kinds_ == ["integer", "integer", "continuous"]
    drawn = fitted.sample(5 * N, random_state=0)
    counted = ["month", "visits"]
    assert (drawn[counted].min() == X[counted].min()).all()
    assert (drawn[counted].max() == X[counted].max()).all()
    assert_allclose(drawn["month"].value_counts(normalize=True), 1 / 12, atol=0.03)
    assert fitted.score_samples(X[:1].assign(month=13))[0] == -np.inf
    assert np.isfinite(fitted.score_samples(X[:1].assign(z=9.0))[0])
    # Without, the impossible is possible, so the test can fail.
    assert np.isfinite(table().fit(X).score_samples(X[:1].assign(month=13))[0])


def test_seen_bounds_of_a_real_column_are_its_own_wish(rng):
    X = pd.DataFrame({"z": rng.uniform(size=N)})
    fitted = table(bounds={"z": "seen"}).fit(X)
    assert fitted.kinds_ == ["bounded"]
    assert fitted._kinds[0].bounds == (X["z"].min(), X["z"].max())
    for wrong in ({"z": "sen"}, "sen"):
        with pytest.raises(ValueError, match="seen"):
            table(bounds=wrong).fit(X)


# ---- draws on the lattice ----


@pytest.mark.parametrize(
    ("unit", "low", "bounds"),
    [
        (0.1, 4.3, None),
        (0.1, 0.0, (0, None)),
        (0.01, -1.0, None),
        (0.5, 0.5, (0.25, None)),
        (0.25, 0.0, (0, 30)),
        (1 / 3, 0.0, None),
    ],
    ids=str,
)
def test_draws_have_the_decimals_of_the_rows(unit, low, bounds, rng):
    k = rng.binomial(40, 0.3, N)
    x = low + unit * k if unit == 1 / 3 else np.round(low + unit * k, 2)
    fitted = table(bounds={"x": bounds} if bounds else None).fit(pd.DataFrame({"x": x, "k": k}))
    drawn = fitted.sample(N, random_state=0)["x"].to_numpy()
    places = (drawn - low) / unit
    assert_allclose(places, np.rint(places), atol=1e-6)
    if unit != 1 / 3:
        assert_array_equal(drawn, np.round(drawn, 2))
    assert len(np.unique(drawn)) > 10
    if bounds:
        assert drawn.min() >= bounds[0]
    assert_allclose(drawn.mean(), x.mean(), atol=0.2 * x.std())


def test_draws_of_angles_keep_their_decimals(rng):
    hour = np.rint(rng.normal(23, 3, N)) % 24
    drawn = table(periods={"h": 24}).fit(pd.DataFrame({"h": hour})).sample(N, random_state=0)["h"]
    assert_array_equal(drawn, np.rint(drawn))
    assert drawn.between(0, 23).all()
    assert {22, 23, 0, 1} <= set(drawn)
    # No turn of 24.7 leads back to whole numbers.
    free = table(periods={"h": 24.7}).fit(pd.DataFrame({"h": hour})).sample(N, random_state=0)["h"]
    assert (free != np.rint(free)).any()


def test_draws_off_any_lattice_stay_free(rng):
    X = pd.DataFrame({"z": rng.normal(size=N), "heavy": np.where(rng.random(N) < 0.5, 0, 1)})
    X["heavy"] += np.where(X["heavy"] == 1, rng.normal(size=N), 0.0)
    with pytest.warns(HeavyValueWarning):
        drawn = table().fit(X).sample(N, random_state=0)
    assert drawn.nunique().tolist() == [N, N]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lattices_are_found_and_clean(dtype, rng):
    x = (np.round(rng.normal(120, 20, N), 1)).astype(dtype).astype(float)
    lattice = Lattice.of_real(x, 0.1)
    assert_allclose(lattice.distance, 0.1)
    near = lattice.nearest(x + rng.uniform(-0.049, 0.049, N))
    assert_array_equal(near, np.round(x, 1))
    assert_array_equal(lattice.nearest(np.array([-9.0, 9.0]), 0.25, 0.5), [0.3, 0.5])
    assert_array_equal(lattice.nearest(np.array([7.0]), 0.21, 0.24), [0.24])
    assert Lattice.of_real(rng.normal(size=N), 0.0) is None
    assert Lattice.of_whole(np.array([5.0, 8.0, 12.0])).distance == 1
    assert Lattice.of_whole(np.repeat([5.0, 9.0, 17.0], 5)) == Lattice(1.0, 4.0)


# ---- warnings ----


def _atoms(share, rest):
    def build(rng):
        return np.where(rng.random(N) < share, 0.0, rest(rng))

    return build


NO_DENSITY = {
    "zeros": (
        _atoms(0.6, lambda rng: 10 + rng.lognormal(3, 0.3, N)),
        {"bounds": {"amount": (0, None)}},
        "0 in 6[0-9]%",
    ),
    "unbounded": (_atoms(0.3, lambda rng: rng.normal(50, 9, N)), {}, "0 in 2[0-9]%|0 in 3"),
    "cents": (_atoms(0.5, lambda rng: rng.integers(100, 90000, N)), {}, "0 in "),
    "calm": (_atoms(0.3, lambda rng: rng.uniform(1, 360, N)), {"periods": {"amount": 360}}, "0 in"),
    "both ends": (
        lambda rng: np.clip(rng.normal(0.5, 0.4, N), 0, 1),
        {"bounds": {"amount": (0, 1)}},
        "0 in .* and 1 in",
    ),
}


@pytest.mark.parametrize(("build", "declared", "words"), NO_DENSITY.values(), ids=NO_DENSITY)
def test_a_point_mass_is_named_with_its_share(build, declared, words, rng):
    X = pd.DataFrame({"z": rng.normal(size=N), "amount": build(rng)})
    with pytest.warns(HeavyValueWarning, match=f"(?s)column amount holds ({words}).*NaN") as record:
        table(**declared).fit(X)
    assert len(record) == 1


@pytest.mark.parametrize(
    "density",
    [FlowDensity(max_epochs=1, n_transforms=1), TableDensity(GaussianMixture())],
    ids=["flow", "table"],
)
def test_a_small_point_mass_is_named_whatever_the_density(density):
    X = pd.DataFrame({"amount": np.random.default_rng(0).normal(size=1000)})
    X.loc[:29, "amount"] = 0.0
    with pytest.warns(HeavyValueWarning, match=r"column amount holds 0 in 3\.0% of the rows"):
        clone(density).fit(X)


@pytest.mark.parametrize(
    "values",
    [
        lambda rng: rng.poisson(0.05, N),
        lambda rng: np.round(rng.gamma(1, 1, N), 1),
        lambda rng: np.round(rng.normal(0, 0.3, N), 1),
        lambda rng: np.where(rng.random(N) < 0.7, 0, rng.integers(1, 30, N)),
        lambda rng: rng.choice(["a", "b", "c"], N),
        lambda rng: rng.choice([f"c{i}" for i in range(60)], N),
        lambda rng: rng.integers(10000, 10050, N).astype(str),
        lambda rng: rng.choice(["1", "2", "3", "n/a"], N),
        lambda rng: rng.normal(size=N),
    ],
    ids=[
        "counts",
        "tenths",
        "peak",
        "zero-inflated counts",
        "text",
        "cities",
        "zip",
        "grades",
        "real",
    ],
)
def test_sound_columns_are_not_warned_of(values, rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table(KernelDensity()).fit(pd.DataFrame({"x": values(rng)}))


def _numbers_beside(text):
    def build(rng):
        x = np.round(rng.normal(size=N), 2).astype(object)
        x[::9] = text
        return x

    return build


RARE = {
    "identifiers": (lambda rng: [f"u{i}" for i in range(N)], "1000 levels.*100% of new.*Drop"),
    "names": (lambda rng: [f"n{i}" for i in rng.integers(0, 900, N)], "% of new.*Drop"),
    "objects": (_numbers_beside("n/a"), "beside 'n/a'.*to_numeric"),
    "texts": (lambda rng: _numbers_beside("?")(rng).astype(str), "beside '[?]'.*to_numeric"),
    "only numbers": (lambda rng: rng.normal(size=N).astype(str), "as text, and.*to_numeric"),
}


@pytest.mark.parametrize(("build", "words"), RARE.values(), ids=RARE)
@pytest.mark.parametrize("as_category", [False, True])
def test_levels_that_are_none_are_named(build, words, as_category, rng):
    values = pd.Series(build(rng))
    X = pd.DataFrame({"x": values.astype(str).astype("category") if as_category else values})
    with pytest.warns(RareLevelsWarning, match=f"column x h.*{words}") as record:
        table(KernelDensity()).fit(X)
    assert len(record) == 1


# ---- incomplete rows ----


class CountedDraws(BaseEstimator):
    """Independent standard normal columns; says how often it was asked, and errs as told."""

    def __init__(self, error=0.1, missing="marginalize"):
        self.error = error
        self.missing = missing

    def fit(self, X, y=None):
        self.asked_ = []
        return self

    def score_samples(self, X):
        self.asked_.append(len(X))
        return np.nansum(-0.5 * X**2 - 0.5 * np.log(2 * np.pi), axis=1, where=~np.isnan(X))

    def score_marginal(self, X, n_draws=256):
        scores = self.score_samples(X)
        self.asked_[-1] *= n_draws
        return scores, np.where(np.isnan(X).any(1), self.error, 0.0)


@pytest.fixture
def holed(rng):
    X = pd.DataFrame(
        {
            "size": rng.choice(["S", "M", "L"], 100),
            "colour": rng.choice(["red", "blue"], 100),
            "hour": rng.uniform(0, 24, 100),
            "x": rng.normal(size=100),
        }
    )
    for j, column in enumerate(X):
        X.loc[j * 10 : j * 10 + 5, column] = np.nan
    X.loc[90:, ["size", "colour", "x"]] = np.nan
    return X


@pytest.mark.parametrize("n_draws", [128, 512])
def test_incomplete_rows_take_a_bounded_number_of_evaluations(holed, n_draws):
    fitted = table(CountedDraws(), periods={"hour": 24}, n_draws=n_draws).fit(holed)
    for i in range(len(holed)):
        fitted.density_.asked_.clear()
        fitted.score_samples(holed[i : i + 1])
        turns = 1 if pd.isna(holed["hour"][i]) else 3
        incomplete = holed[i : i + 1].isna().any(axis=None)
        no_cell = holed.loc[i, ["size", "colour"]].isna().all()
        each = 256 if no_cell else 64 * n_draws // 8 if incomplete else n_draws
        assert sum(fitted.density_.asked_) == turns * each


def test_incomplete_rows_keep_their_scores_and_errors(holed):
    fitted = table(CountedDraws(error=0.05), periods={"hour": 24}).fit(holed)
    scores, error = fitted.score_samples(holed, return_std=True)
    one_by_one = [fitted.score_samples(holed[i : i + 1], return_std=True) for i in range(100)]
    assert_allclose(np.column_stack(one_by_one), [scores, error], atol=1e-12)
    fine = clone(fitted).set_params(n_draws=2**14).fit(holed).score_samples(holed)
    assert np.mean(np.abs(scores - fine) <= 2 * error + 1e-9) > 0.95
    no_cell = holed[["size", "colour"]].isna().all(axis=1)
    assert_allclose(error[no_cell], 0.05)
    in_cells = holed.isna().any(axis=1) & ~no_cell
    alone = table(CountedDraws(error=0.0), periods={"hour": 24}).fit(holed)
    _, of_points = alone.score_samples(holed, return_std=True)
    assert_allclose(error[in_cells], np.hypot(0.05, of_points[in_cells]))


def test_incomplete_rows_of_a_flow_agree_with_many_draws(rng):
    n = 150
    level = rng.choice(["a", "b"], n)
    X = pd.DataFrame({"level": level, "x": rng.normal(level == "a"), "y": rng.normal(size=n)})
    X["y"] += X["x"] ** 2
    X.loc[::5, "y"] = np.nan
    flow = FlowDensity(
        n_transforms=1, hidden_units=8, max_epochs=4, missing="marginalize", random_state=0
    )
    fitted = table(flow).fit(X)
    rows = X[::5]
    score, error = fitted.score_samples(rows, return_std=True)
    exact = fitted.set_params(n_draws=2048).score_samples(rows)
    assert np.mean(np.abs(score - exact) < 2 * error) > 0.9
    assert error.max() < 0.3


def test_long_work_is_announced_before_it_begins(holed, monkeypatch):
    fitted = table(CountedDraws(), periods={"hour": 24}).fit(holed)

    def refuse(*_):
        raise RuntimeError("begun")

    monkeypatch.setattr(fitted.density_, "score_samples", refuse)
    large = pd.concat([holed.assign(x=holed["x"] + i) for i in range(200)])
    with (
        pytest.warns(SlowScoringWarning, match=r"20000 .*rows.*n_draws"),
        pytest.raises(RuntimeError, match="begun"),
    ):
        fitted.score_samples(large)
    with warnings.catch_warnings(record=True) as record, pytest.raises(RuntimeError):
        fitted.score_samples(holed)
    assert not record


def test_every_row_is_in_one_share(rng):
    missing = rng.random((200, 5)) < 0.4
    for celled in ([True, False, True, False, False], [False] * 5):
        for marginalizes in (True, False):
            shares = plan(missing, np.array(celled), 64, marginalizes)
            rows = np.concatenate([share.rows for share in shares])
            assert_array_equal(np.sort(rows), np.arange(200))


def test_the_error_of_a_single_cell_is_small_and_covers(rng):
    level = rng.choice(list("abc"), 300, p=[0.6, 0.3, 0.1])
    X = pd.DataFrame({"level": level, "x": rng.normal(level == "a", 0.5)})
    fitted = table(GaussianMixture(4, random_state=0)).fit(X)
    score, error = fitted.score_samples(X, return_std=True)
    exact = fitted.set_params(n_draws=2**14).score_samples(X)
    assert np.mean(np.abs(score - exact) <= 2 * error) > 0.95
    assert np.sqrt(np.mean((score - exact) ** 2)) < 0.002
    # The spread of 32 points, a quarter, as if they were random would be more than this.
    assert error.mean() < 0.04


# ---- plots ----


@pytest.fixture
def mixed(rng):
    n = 80
    return pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "size": pd.Categorical(rng.choice(["S", "L"], n, p=[0.8, 0.2])),
            "k": rng.poisson(3, n),
            "b": rng.gamma(2, 1, n),
            "flag": rng.integers(0, 2, n),
        }
    )


def _polars(X):
    import polars as pl

    return pl.DataFrame(X.astype({"size": str}).to_dict("list"))


@pytest.mark.parametrize(
    "form", [lambda X: X, _polars, lambda X: X.astype(object).to_numpy()], ids=["pd", "pl", "np"]
)
def test_numeric_columns_of_a_table_are_drawn(form, mixed):
    X = form(mixed)
    by_name = hasattr(X, "columns")
    fitted = table(bounds={"b" if by_name else 3: (0, None)}).fit(X)
    display = DensityDisplay.from_estimator(
        fitted,
        X,
        features=("a", "k") if by_name else (0, 2),
        grid_resolution=20,
        n_samples=5,
        random_state=0,
    )
    assert np.isfinite(display.log_density).all()
    assert_array_equal(display.xx1, np.rint(display.xx1))
    assert display.data.shape == (80, 2)
    assert display.samples.dtype == float
    # All others are held at values that a row has: the most frequent level, the lower median.
    row = mixed[:1].assign(
        a=display.xx0[3, 4], k=display.xx1[3, 4], size="S", b=np.sort(mixed["b"])[39]
    )
    row["flag"] = mixed["flag"].mode()[0]
    expected = fitted.score_samples(form(row.astype({"size": mixed["size"].dtype})))[0]
    assert_allclose(display.log_density[3, 4], expected, atol=1e-9)


def test_a_search_is_drawn_as_the_table_that_it_found(mixed):
    search = GridSearchCV(table(), {"n_draws": [32]}, cv=2).fit(mixed)
    options = {"features": ("a", "k"), "grid_resolution": 5, "n_samples": 5, "random_state": 0}
    drawn = [
        DensityDisplay.from_estimator(estimator, mixed, **options).samples
        for estimator in (search, search.best_estimator_)
    ]
    assert_array_equal(*drawn)


@pytest.mark.parametrize("column", ["size", "flag"])
def test_a_category_is_no_axis(column, mixed):
    fitted = table().fit(mixed)
    for estimator in (fitted, DensityOutlierDetector(table(), random_state=0).fit(mixed)):
        with pytest.raises(InvalidParameterError, match=f"column {column} is a category.*'a', 'k'"):
            DensityDisplay.from_estimator(estimator, mixed, features=("a", column))
    with pytest.raises(InvalidDataError, match="X has 2 features, TableDensity was fitted on 5"):
        DensityDisplay.from_estimator(fitted, mixed[["a", "size"]])


def test_the_number_of_values_of_a_chunk_changes_no_score(mixed, monkeypatch):
    fitted = table().fit(mixed)
    scores = fitted.score_samples(mixed)
    monkeypatch.setattr(_encoded_density, "_CHUNK_VALUES", 3000)
    assert_allclose(fitted.score_samples(mixed), scores, atol=1e-9)

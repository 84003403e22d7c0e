"""Answers of densities of tables: in names, levels and units, against sums and integrals."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from sklearn.mixture import GaussianMixture

from flowkit import DensityDisplay, TableDensity
from flowkit.exceptions import (
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
    UnknownNameError,
)

from .examples import fits


def people(n=400, seed=0):
    """Heights depend on sex, incomes on height, children on sex, and hours on all."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["F", "M"], n)
    height = rng.normal(170 + 10 * (sex == "M"), 7)
    income = np.exp(rng.normal(3 + 0.02 * (height - 170), 0.4))
    children = rng.poisson(1 + (sex == "F"))
    hour = np.mod(rng.normal(20 + 4 * (sex == "M"), 2), 24)
    return pd.DataFrame(
        {"sex": sex, "height": height, "income": income, "children": children, "hour": hour}
    )


@functools.cache
def fitted(**parameters):
    declared = {"bounds": {"income": (0, None), "children": (0, None)}, "periods": {"hour": 24}}
    density = TableDensity(
        GaussianMixture(3, random_state=0), random_state=0, **declared, **parameters
    )
    return density.fit(people())


@functools.cache
def small(cells="probability"):
    """Without angles, for which scores take turns."""
    density = GaussianMixture(2, random_state=0)
    table = people()[["sex", "height", "children"]]
    bounds = {"children": (0, None)}
    return TableDensity(density, bounds=bounds, cells=cells, random_state=0).fit(table)


def test_probabilities_of_a_category_given_the_rest_sum_to_one():
    density, table = fitted(), people().head(10)
    given = ["height", "income", "children", "hour"]
    log_probability = [
        density.score_samples(table.assign(sex=level), given=given) for level in ("F", "M")
    ]
    np.testing.assert_allclose(np.exp(log_probability).sum(0), 1, atol=0.02)
    tall, short = (table.assign(height=height, sex="M") for height in (190.0, 160.0))
    of_tall, of_short = (density.score_samples(rows, given=given) for rows in (tall, short))
    assert (of_tall > of_short).all()


def test_a_conditional_score_is_the_joint_one_over_that_of_what_is_given():
    density, table = small(), people().head(5)[["sex", "height", "children"]]
    scores, error = density.score_samples(table, return_std=True, given="sex")
    x = np.linspace(120, 230, 60)
    for row, score, std in zip(table.to_dict("records"), scores, error, strict=True):
        grid = pd.DataFrame([{**row, "height": h, "children": k} for k in range(12) for h in x])
        values = np.exp(density.score_samples(grid)).reshape(12, -1)
        share = trapezoid(values, x, axis=1).sum()
        joint = density.score_samples(pd.DataFrame([row]))[0]
        assert abs(score - (joint - np.log(share))) < 4 * std + 0.02


def test_draws_keep_what_is_given_and_follow_it():
    density = fitted()
    drawn = density.sample(400, random_state=0, given={"sex": "M", "children": 2})
    assert list(drawn.columns) == list(people().columns)
    assert (drawn["sex"] == "M").all()
    assert (drawn["children"] == 2).all()
    assert drawn["children"].dtype == people()["children"].dtype
    assert (drawn["income"] > 0).all()
    assert drawn["hour"].between(0, 24, inclusive="left").all()
    assert drawn["height"].mean() == pytest.approx(180, abs=3)
    shorter = density.sample(400, random_state=0, given={"sex": "F", "children": 2})
    assert shorter["height"].mean() == pytest.approx(170, abs=3)


def test_a_frame_of_partial_rows_is_completed():
    density = fitted()
    rows = pd.DataFrame({"height": [160.0, 190.0], "sex": ["F", None]})
    drawn = density.sample(200, random_state=0, given=rows)
    assert len(drawn) == 400
    assert (drawn["height"] == np.repeat([160.0, 190.0], 200)).all()
    assert (drawn["sex"][:200] == "F").all()
    assert (drawn["sex"][200:] == "M").mean() > 0.7
    quantiles = density.quantile(0.5, "income", given=rows)
    assert quantiles.shape == (2,)
    assert quantiles[0] < quantiles[1]


@pytest.mark.parametrize("column", ["height", "income", "hour"])
def test_quantiles_are_those_of_draws(column):
    density, given = fitted(), {"sex": "F"}
    drawn = np.sort(density.sample(1000, random_state=1, given=given)[column])
    levels = np.array([0.2, 0.5, 0.8])
    found = density.quantile(levels, column, given=given)
    heights = np.searchsorted(drawn, found) / len(drawn)
    np.testing.assert_allclose(heights, levels, atol=0.05)
    table = people().head(3).assign(sex="F").assign(**{column: found})
    np.testing.assert_allclose(density.cdf(table, column, given="sex"), levels, atol=1e-6)


def test_whole_numbers_have_steps_of_probability():
    density = fitted()
    drawn = density.sample(2000, random_state=0, given={"sex": "F"})["children"]
    counts = np.arange(5)
    rows = pd.DataFrame({"children": counts, "sex": "F"})
    found = density.cdf(rows, "children", given="sex")
    expected = [(drawn <= k).mean() for k in counts]
    np.testing.assert_allclose(found, expected, atol=0.05)
    median = density.quantile(0.5, "children", given={"sex": "F"})
    assert median == np.round(median)
    assert found[int(median)] >= 0.5
    assert median == 0 or found[int(median) - 1] < 0.5


def test_outside_the_bounds_is_all_or_nothing():
    rows = pd.DataFrame({"income": [0.0, 1e9]})
    np.testing.assert_allclose(fitted().marginal("income").cdf(rows, "income"), [0, 1], atol=1e-6)


@pytest.mark.parametrize(("whole", "inner"), [(True, 9.0), (False, 9.99)])
def test_all_is_at_most_the_upper_bound(whole, inner):
    x = np.random.default_rng(0).uniform(0, 10, 60)
    table = pd.DataFrame({"x": np.append(10.0, np.round(x) if whole else x)})
    density = TableDensity(GaussianMixture(1), bounds={"x": (0, 10)}, random_state=0).fit(table)
    found = density.cdf(pd.DataFrame({"x": [-1.0, inner, 10.0, 11.0]}), "x")
    assert 0 < found[1] < 1
    np.testing.assert_array_equal(found[[0, 2, 3]], [0, 1, 1])


def test_rounded_columns_have_the_law_of_their_draws():
    x = np.round(np.random.default_rng(0).normal(0, 0.5, 300), 1)
    density = TableDensity(GaussianMixture(1), random_state=0).fit(pd.DataFrame({"x": x}))
    drawn = density.sample(20_000, random_state=0)["x"].to_numpy()
    level = density.quantile(0.3, "x")
    assert level == pytest.approx(np.quantile(drawn, 0.3, method="inverted_cdf"))
    found = density.cdf(pd.DataFrame({"x": [level]}), "x")
    assert found[0] == pytest.approx((drawn <= level + 1e-9).mean(), abs=0.012)


def test_a_marginal_of_a_table_is_a_table():
    density = fitted()
    marginal = density.marginal(["income", "sex"])
    table = people().head(6)[["income", "sex"]]
    x = np.exp(np.linspace(-2, 9, 300))
    grid = pd.concat([pd.DataFrame({"income": x, "sex": level}) for level in ("F", "M")])
    values = np.exp(marginal.score_samples(grid)).reshape(2, -1)
    assert trapezoid(values, x, axis=1).sum() == pytest.approx(1, abs=0.02)
    assert np.isneginf(marginal.score_samples(table.assign(income=-1.0))).all()
    drawn = marginal.sample(5, random_state=0)
    assert list(drawn.columns) == ["income", "sex"]
    drawn = marginal.sample(5, random_state=0, given={"sex": "M"})
    assert (drawn["sex"] == "M").all()


def test_a_display_draws_a_marginal():
    pytest.importorskip("matplotlib")
    density = fitted()
    X = people()[["height", "income"]]
    display = DensityDisplay.from_estimator(
        density.marginal(["height", "income"]), X, grid_resolution=5, n_samples=3, random_state=0
    )
    assert display.log_density.shape == (5, 5)
    assert display.ax_.get_xlabel() == "height"


def test_arrays_of_objects_are_given_as_rows():
    X = people()[["sex", "height"]].to_numpy(dtype=object)
    density = TableDensity(GaussianMixture(2, random_state=0), random_state=0).fit(X)
    drawn = density.sample(3, random_state=0, given=np.array([["M", None]], dtype=object))
    assert (drawn[:, 0] == "M").all()
    drawn = density.sample(300, random_state=0, given={0: "F"})[:, 1].astype(float)
    assert fits(drawn, lambda x: density.cdf(_pairs(x), 1, given=0))


def _pairs(x):
    rows = np.empty((len(x), 2), dtype=object)
    rows[:, 0], rows[:, 1] = "F", x
    return rows


REFUSED = {
    "level": ({"sex": "X"}, OutsideSupportError, r"column sex.*levels \["),
    "bound": ({"income": -1.0}, OutsideSupportError, "column income.*numbers from 0 on: give"),
    "fraction": ({"children": 0.5}, OutsideSupportError, "column children"),
    "text": ({"height": "tall"}, InvalidDataError, "column height"),
    "name": ({"heigth": 1.0}, UnknownNameError, "Did you mean 'height'"),
    "list": ({"height": [1.0, 2.0]}, InvalidParameterError, "DataFrame for several rows"),
    "infinite": ({"height": np.inf}, InvalidDataError, "infinity"),
    "all": (dict(people().iloc[0]), InvalidParameterError, "all columns"),
}


@pytest.mark.parametrize(("given", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_impossible_conditions_are_refused_by_name(given, error, message):
    with pytest.raises(error, match=message):
        fitted().sample(given=given)


def test_what_the_type_of_a_column_cannot_hold_is_not_given():
    rng = np.random.default_rng(0)
    days = np.datetime64("2024-01-01", "ns") + np.timedelta64(1, "D") * rng.integers(0, 60, 90)
    X = pd.DataFrame({"byte": rng.integers(0, 200, 90).astype(np.uint8), "day": days})
    density = TableDensity(GaussianMixture(random_state=0), random_state=0).fit(X)
    last = {"byte": np.uint8(255), "day": np.datetime64("2200-01-01")}
    for name, value in last.items():
        assert (density.sample(3, random_state=0, given={name: value})[name] == value).all()
    for given in ({"byte": 256}, {"byte": -1}, {"day": "3000-01-01"}):
        with pytest.raises(OutsideSupportError, match=r"in type (uint8|datetime64)"):
            density.sample(given=given)
    assert density.cdf(pd.DataFrame({"byte": [1000]}), "byte") == pytest.approx(1, abs=1e-6)


def test_categories_have_no_quantiles():
    with pytest.raises(InvalidParameterError, match="sex is a category"):
        fitted().quantile(0.5, "sex")


BESIDE = pd.DataFrame({"sex": ["F", None, "M"], "children": [np.nan, 1.0, 2.0]})


def test_quantiles_do_not_depend_on_what_rows_beside_them_know():
    alone = [small().quantile([0.3, 0.8], "height", given=BESIDE[i : i + 1])[0] for i in range(3)]
    np.testing.assert_array_equal(small().quantile([0.3, 0.8], "height", given=BESIDE), alone)


def test_draws_do_not_depend_on_what_rows_beside_them_know():
    drawn = small().sample(20, random_state=0, given=BESIDE[:2])
    alone = small().sample(20, random_state=0, given=BESIDE[:1])
    # The first row is drawn first.
    pd.testing.assert_frame_equal(drawn[:20], alone)

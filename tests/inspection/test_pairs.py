"""PairDisplay: rows and draws of each pair of columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity, TableDensity
from flowkit.exceptions import InvalidParameterError
from flowkit.inspection import PairDisplay


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    size = rng.choice(["large", "small"], 60)
    weight = rng.normal(size=60) + 3 * (size == "large")
    return pd.DataFrame({"size": size, "weight": weight, "price": weight + rng.normal(size=60)})


@pytest.fixture(scope="module")
def density(table):
    return TableDensity(GaussianMixture(2, random_state=0), random_state=0).fit(table)


def test_rows_and_draws_are_those_of_the_columns(density, table, ax):
    display = PairDisplay.from_estimator(density, table, n_samples=20, random_state=0, ax=ax)
    np.testing.assert_array_equal(display.data[:, 1:], table[["weight", "price"]])
    assert display.levels == [["large", "small"], None, None]
    np.testing.assert_array_equal(display.data[:, 0], table["size"] == "small")
    drawn = density.sample(20, random_state=0)
    np.testing.assert_array_equal(display.samples[:, 1:], drawn[["weight", "price"]])
    np.testing.assert_array_equal(display.samples[:, 0], drawn["size"] == "small")


def test_rows_are_below_the_diagonal_and_draws_above(density, table, ax):
    display = PairDisplay.from_estimator(density, table, n_samples=20, random_state=0, ax=ax)
    panels = display.axes_.reshape(3, 3)
    points = panels[2, 1].collections[0].get_offsets()
    np.testing.assert_allclose(points, display.data[:, [1, 2]])
    points = panels[1, 2].collections[0].get_offsets()
    np.testing.assert_allclose(points, display.samples[:, [2, 1]])
    # Points of a level are spread, and stay nearer to it than to others.
    points = panels[1, 0].collections[0].get_offsets()
    np.testing.assert_array_equal(np.rint(points[:, 0]), display.data[:, 0])
    assert [label.get_text() for label in panels[2, 0].get_xticklabels()] == ["large", "small"]
    assert panels[2, 1].get_xlabel() == "weight"
    # Levels of the first column are named beside its draws, as its own panel counts rows.
    named = [label.get_text() for label in panels[0, 2].get_yticklabels() if label.get_visible()]
    assert named == ["large", "small"]
    assert panels[0, 2].yaxis.get_tick_params()["labelright"]


def test_columns_are_chosen_by_name_or_position(density, table, ax):
    options = {"n_samples": 2, "random_state": 0, "ax": ax}
    display = PairDisplay.from_estimator(density, table, features=["price", 0], **options)
    assert display.names == ["price", "size"]
    for wrong in ("price", ["price"], ["price", "colour"], [0, 3], [0, True]):
        with pytest.raises(InvalidParameterError, match="features must be"):
            PairDisplay.from_estimator(density, table, features=wrong, **options)


def test_contours_are_those_of_the_marginal_density(table, ax):
    X = table[["weight", "price"]]
    flow = FlowDensity(n_transforms=0, max_epochs=1, random_state=0).fit(X)
    for rows in (X, pl.from_pandas(X), X.to_numpy()):
        density = FlowDensity(n_transforms=0, max_epochs=1, random_state=0).fit(rows)
        display = PairDisplay.from_estimator(
            density, rows, show_density=True, grid_resolution=4, n_samples=2, ax=ax
        )
        x, y, log_density = display.densities[0, 1]
        points = np.column_stack([x.ravel(), y.ravel()])
        expected = flow.score_samples(pd.DataFrame(points, columns=X.columns))
        np.testing.assert_allclose(log_density.ravel(), expected, atol=1e-6)


def test_contours_need_marginals(table, ax):
    X = table[["weight", "price"]].to_numpy()
    with pytest.raises(InvalidParameterError, match="no method 'marginal'"):
        PairDisplay.from_estimator(GaussianMixture().fit(X), X, show_density=True, ax=ax)


def test_missing_values_are_left_out(ax):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    density = GaussianMixture(random_state=0).fit(X)
    table = pd.DataFrame(X, columns=list("abc"))
    table["c"] = np.where(rng.uniform(size=60) < 0.5, "x", None)
    kept = TableDensity(
        FlowDensity(missing="marginalize", n_transforms=0, max_epochs=1), random_state=0
    ).fit(table)
    display = PairDisplay.from_estimator(kept, table, random_state=0, n_samples=5, ax=ax)
    np.testing.assert_array_equal(np.isnan(display.data[:, 2]), table["c"].isna())
    assert PairDisplay.from_estimator(density, X, n_samples=5, ax=ax).levels == [None] * 3

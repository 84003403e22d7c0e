"""Made orders: what links their columns, and what is wrong with wrong ones."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from flowkit.datasets import make_orders
from flowkit.exceptions import InvalidParameterError, MissingDependencyError

N, N_WRONG = 2000, 60


@pytest.fixture(scope="module")
def orders():
    return make_orders(N, N_WRONG, random_state=0)


@pytest.fixture(scope="module")
def right(orders):
    return orders.data[orders.target == ""]


def wrong(orders, column):
    rows = orders.data[orders.target == column]
    assert len(rows) == N_WRONG // len(orders.target_names)
    return rows


def region_of_city(rows):
    return rows["city"].str.split("-").str[0]


def test_shapes_and_types(orders):
    assert orders.data.shape == (N, 12)
    assert orders.target.shape == (N,)
    assert pd.api.types.is_datetime64_any_dtype(orders.data["day"])
    assert orders.data.index.tolist() == list(range(N))
    assert set(orders.target) == {"", *orders.target_names}


def test_one_seed_one_result():
    first, again, other = (make_orders(50, 6, random_state=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first.data, again.data)
    np.testing.assert_array_equal(first.target, again.target)
    assert not first.data.equals(other.data)


def test_a_generator_is_drawn_from_as_it_is():
    rng = np.random.default_rng(0)
    pd.testing.assert_frame_equal(
        make_orders(50, random_state=rng).data,
        make_orders(50, random_state=np.random.default_rng(0)).data,
    )
    assert rng.random() != np.random.default_rng(0).random()


def test_global_state_is_left_alone():
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    make_orders(20, 6, random_state=0)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002


def test_wrong_orders_differ_from_right_ones_in_the_named_column_only():
    rows, generators = 200, (np.random.default_rng(0), np.random.default_rng(0))
    before = make_orders(rows, random_state=generators[0]).data
    after = make_orders(rows, 60, random_state=generators[1])
    changed = (before != after.data) & ~(before.isna() & after.data.isna())
    for i in range(rows):
        assert changed.columns[changed.iloc[i]].tolist() == [after.target[i]] * bool(
            after.target[i]
        )


def test_orders_are_numbered_from_the_first():
    numbers = make_orders(30, 6, first_order=100, random_state=0).data["order"]
    assert numbers.tolist() == list(range(100, 130))


def test_totals_are_prices_times_quantities(orders, right):
    def off(rows):
        return abs(np.log(rows["total"] / rows["price"] / rows["quantity"])).dropna()

    assert off(right).max() < 0.1
    assert off(wrong(orders, "total")).min() > 1
    assert off(wrong(orders, "quantity")).min() > 1


def test_cities_are_in_their_regions(orders, right):
    assert (region_of_city(right) == right["region"]).all()
    rows = wrong(orders, "region")
    assert (region_of_city(rows) != rows["region"]).all()


def test_trucks_bring_what_is_heavy(orders, right):
    def is_by_truck(rows):
        return rows.loc[rows["weight"].notna(), "shipping"] == "truck"

    def is_heavy(rows):
        return rows["weight"].dropna() > 20

    assert (is_by_truck(right) == is_heavy(right)).all()
    rows = wrong(orders, "shipping")
    assert (is_by_truck(rows) != is_heavy(rows)).all()


def test_wrong_payments_are_new(orders, right):
    assert not set(wrong(orders, "payment")["payment"]) & set(right["payment"].dropna())


def test_a_twentieth_of_some_columns_is_missing(right):
    missing = right.isna().mean()
    assert ((missing > 0.01) & (missing < 0.1)).sum() == 3
    assert (missing > 0).sum() == 3


@pytest.mark.parametrize(
    "options",
    [
        {"n_samples": 0},
        {"n_samples": 2.5},
        {"n_samples": 5, "n_wrong": 6},
        {"n_wrong": -1},
        {"first_order": -1},
        {"random_state": "seed"},
    ],
    ids=str,
)
def test_what_makes_no_orders_is_refused(options):
    with pytest.raises(InvalidParameterError, match=list(options)[-1]):
        make_orders(**options)


def test_pandas_that_is_missing_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match="pip install pandas"):
        make_orders(5)

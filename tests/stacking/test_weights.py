"""The likeliest weights of given densities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from flowkit.stacking._convex_weights import convex_weights

from .examples import mean_under

# Log densities of rows under members: several kinds of tables.
RNG = np.random.default_rng(0)
TABLES = {
    "different": 3 * RNG.normal(size=(200, 4)),
    "alike": 0.3 * RNG.normal(size=(500, 3)),
    "one_best": RNG.normal([0, 0, 5], size=(100, 3)),
    "one_row": np.array([[0.0, -1.0]]),
    "far": 1e4 * RNG.normal(size=(50, 3)) - 1e6,
    "impossible": np.where(
        RNG.uniform(size=(200, 3)) < [0, 0.3, 0.6], -np.inf, RNG.normal(size=(200, 3))
    ),
    "alone": RNG.normal(size=(20, 1)),
}
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)


def slow_weights(table, sample_weight=None):
    """By a general optimiser on the simplex."""
    k = table.shape[1]

    def loss(weights):
        with np.errstate(divide="ignore"):
            return -mean_under(np.maximum(weights, 0), table, sample_weight)

    return minimize(
        loss,
        np.full(k, 1 / k),
        method="SLSQP",
        bounds=[(1e-12, 1)] * k,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-13, "maxiter": 1000},
    ).x


@every_table
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_are_those_of_a_general_optimiser(table, weighted):
    sample_weight = np.random.default_rng(1).uniform(0.1, 3, len(table)) if weighted else None
    weights = convex_weights(table, sample_weight)
    slow = slow_weights(table, sample_weight)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    with np.errstate(divide="ignore"):
        reached = mean_under(weights, table, sample_weight)
    assert reached >= mean_under(slow, table, sample_weight) - 1e-8
    if table is not TABLES["far"]:
        np.testing.assert_allclose(weights, slow, atol=1e-3)


@every_table
def test_no_member_is_likelier(table):
    weights = convex_weights(table)
    with np.errstate(divide="ignore"):
        assert mean_under(weights, table) >= table.mean(0).max() - 1e-8


def test_members_that_are_the_same_share():
    one, other = RNG.normal(size=(2, 100))
    twice = convex_weights(np.column_stack([one, other, one]))
    once = convex_weights(np.column_stack([one, other]))
    assert twice[0] == pytest.approx(twice[2], rel=1e-12)
    np.testing.assert_allclose([twice[0] + twice[2], twice[1]], once, atol=1e-4)


def test_a_member_without_any_row_gets_nothing():
    table = np.column_stack([np.zeros(10), np.full(10, -np.inf)])
    np.testing.assert_array_equal(convex_weights(table), [1, 0])


@every_table
def test_weights_of_rows_are_repeats_and_units_do_not_matter(table):
    repeats = np.arange(len(table)) % 3 + 1
    weights = convex_weights(table, repeats.astype(float))
    np.testing.assert_allclose(
        convex_weights(np.repeat(table, repeats, axis=0)), weights, atol=1e-6
    )
    largest = np.finfo(float).max / 4 * repeats
    np.testing.assert_allclose(convex_weights(table, largest), weights, atol=1e-6)
    moved = table + np.random.default_rng(1).normal(size=(len(table), 1))
    np.testing.assert_allclose(convex_weights(moved, 7.0 * repeats), weights, atol=1e-6)


@pytest.mark.parametrize("small", [1e-300, 5e-324, 1e-8])
def test_weights_of_rows_may_differ_by_all_that_numbers_can(small):
    """One member knows the first rows only, the other the last ones."""
    table = np.repeat([[0.0, -1e6], [-1e6, 0.0]], 60, axis=0)
    weights = convex_weights(table, np.repeat([1e300, small], 60))
    np.testing.assert_allclose(weights, [1, 0], atol=1e-9)
    weights = convex_weights(table, np.repeat([small, 1.0], 60))
    np.testing.assert_allclose(weights, [small / (1 + small), 1 / (1 + small)], atol=1e-15)


def test_true_shares_are_found():
    rng = np.random.default_rng(0)
    means, shares = np.array([0.0, 3.0, 6.0]), np.array([0.5, 0.3, 0.2])
    x = means[rng.choice(3, 50_000, p=shares)] + rng.normal(size=50_000)
    table = -0.5 * (x[:, None] - means) ** 2
    np.testing.assert_allclose(convex_weights(table), shares, atol=0.01)

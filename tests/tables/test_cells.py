"""Cells of discrete columns: their probabilities, their errors, and the points that give them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity, StackedDensity, TransformedDensity
from flowkit.tables import _cell_rules
from flowkit.tables._cell_rules import first_order, gauss_rule, rules, sobol_rule, toward_middles

from .examples import table

FLOW = FlowDensity(n_transforms=2, hidden_units=8, max_epochs=3, random_state=0)


class AnyMixture(GaussianMixture):
    """A mixture that is not known to have conditionals."""


MIXTURE = AnyMixture(3, random_state=0)


def yes_no(n_columns, n, rng):
    """Answers that depend on two hidden numbers."""
    hidden = rng.normal(size=(n, 2)) @ rng.normal(size=(2, n_columns))
    answers = hidden + rng.normal(size=(n, n_columns)) > np.linspace(-1, 1, n_columns)
    return pd.DataFrame(answers, columns=[f"b{j}" for j in range(n_columns)])


def every_row(n_columns):
    answers = np.array(list(itertools.product([False, True], repeat=n_columns)))
    return pd.DataFrame(answers, columns=[f"b{j}" for j in range(n_columns)])


@pytest.mark.parametrize("n_columns", [1, 2, 4])
@pytest.mark.parametrize("density", [FLOW, MIXTURE], ids=["flow", "mixture"])
def test_probabilities_of_all_rows_of_categories_sum_to_one(density, n_columns, rng):
    fitted = table(density).fit(yes_no(n_columns, 300, rng))
    scores, error = fitted.score_samples(every_row(n_columns), return_std=True)
    probability = np.exp(scores)
    assert_allclose(probability.sum(), 1, atol=0.05 if n_columns > 2 else 0.02)
    # All rows have the same points, so that their errors add up.
    assert abs(probability.sum() - 1) <= 2 * probability @ error + 0.001


def test_sums_and_integrals_of_two_categories_and_a_number_are_one(rng):
    X = yes_no(2, 300, rng).assign(x=rng.normal(size=300))
    fitted = table(MIXTURE).fit(X)
    x = np.linspace(-7, 7, 101)
    mass, told = [], []
    for _, row in every_row(2).iterrows():
        rows = row.to_frame().T.merge(pd.DataFrame({"x": x}), "cross")
        scores, error = fitted.score_samples(rows, return_std=True)
        mass.append(trapezoid(np.exp(scores), x))
        told.append(trapezoid(np.exp(scores) * error, x))
    assert_allclose(sum(mass), 1, atol=0.02)
    # All rows have the same points, so that their errors add up.
    assert abs(sum(mass) - 1) <= 2 * sum(told) + 0.001


@pytest.mark.parametrize("kind", ["category", "integer", "spike"])
def test_a_single_cell_has_a_closed_form_where_conditionals_have_one(kind, rng):
    column = {
        "category": rng.choice(list("abc"), 300, p=[0.5, 0.3, 0.2]),
        "integer": rng.poisson(3, 300),
        "spike": rng.choice([0, 1], 300) * rng.normal(size=300),
    }[kind]
    X = pd.DataFrame({kind: column, "x": rng.normal(size=300), "hour": rng.uniform(0, 24, 300)})
    options = {"cells": "probability", "bounds": {kind: (0, None)} if kind == "integer" else None}
    known, points = (
        table(density, periods={"hour": 24}, **options).fit(X)
        for density in (GaussianMixture(3, random_state=0), MIXTURE)
    )
    exact, error = known.score_samples(X, return_std=True)
    assert_array_equal(error, 0)
    assert_allclose(points.set_params(n_draws=2**12).score_samples(X), exact, atol=2e-4)


def test_levels_too_unlikely_for_a_closed_form_keep_a_score(rng):
    level = rng.choice(["a", "b"], 200)
    X = pd.DataFrame({"level": level, "x": 9.0 * (level == "a") + rng.normal(size=200)})
    fitted = table(GaussianMixture(2, random_state=0)).fit(X)
    # Ten times as narrow: no mass of a level is left in the cell of the other.
    fitted.density_.precisions_cholesky_ *= 10
    scores = fitted.score_samples(X.assign(level=np.where(level == "a", "b", "a")))
    assert np.isfinite(scores).all()
    assert scores.max() < np.log(1e-9)


@pytest.mark.parametrize("n_columns", [1, 2, 5])
def test_errors_cover_the_distance_to_a_very_fine_average(n_columns, rng):
    X = yes_no(n_columns, 300, rng).assign(x=rng.normal(size=300))
    fitted = table(FLOW).fit(X)
    rows = X[:25]
    scores, error = fitted.score_samples(rows, return_std=True)
    encoded = fitted._encoded_density()
    numbers = fitted._rows(fitted._read(rows, reset=False)[0])
    rule = gauss_rule(96) if n_columns == 1 else sobol_rule(4096, n_columns)
    fine = logsumexp(encoded._log_values(numbers, rule, None, None)[..., 0] + rule.log_weights, 1)
    distance = np.abs(scores - fine)
    assert np.mean(distance <= 2 * error + 0.005) > 0.9
    assert np.all(error > 0)
    assert distance.mean() < 0.05


def test_a_row_has_one_score_whatever_stands_beside_it(rng):
    X = yes_no(4, 200, rng).assign(x=rng.normal(size=200))
    fitted = table(MIXTURE).fit(X)
    scores = fitted.score_samples(X)
    assert_allclose(fitted.score_samples(X[:5]), scores[:5], atol=1e-9)
    assert_allclose(fitted.score_samples(X[::-1]), scores[::-1], atol=1e-9)


KERNELS = FlowDensity(
    prior="kernel", n_transforms=0, missing="marginalize", max_epochs=1, random_state=0
)
INCOMPLETE = {
    "kernels": KERNELS,
    "flow": clone(FLOW).set_params(missing="marginalize"),
    "transformed": TransformedDensity("passthrough", KERNELS),
    "stack": StackedDensity([("a", KERNELS)], random_state=0),
}


@pytest.mark.parametrize("density", INCOMPLETE.values(), ids=INCOMPLETE)
@pytest.mark.parametrize("with_spike", [False, True])
def test_a_row_has_one_score_also_beside_incomplete_rows(density, with_spike, rng):
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "y"])
    if with_spike:
        # A spike: rows off it are points, where kernels stand.
        X["x"] = X["x"].where(rng.random(60) < 0.6, 0.0)
    fitted = table(density).fit(X)
    rows = X.iloc[:12].copy()
    rows.iloc[[3, 7], 1] = np.nan
    alone = [fitted.score_samples(rows[i : i + 1])[0] for i in range(len(rows))]
    assert_allclose(fitted.score_samples(rows), alone, atol=1e-7)


class Ridge(BaseEstimator):
    """Standard normal columns, of which the first is cut to a part."""

    def __init__(self, width=np.inf):
        self.width = width

    def fit(self, X, y=None):
        self.asked_ = 0
        return self

    def score_samples(self, X):
        self.asked_ += len(X)
        log_density = -0.5 * (X**2).sum(1) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        return log_density - 60 * (np.abs(X[:, 0] - 0.3) > self.width / 2)


def test_only_rows_of_large_error_get_more_points(rng):
    # So few rows tell nothing of each other's cells: all have the same points there.
    X = yes_no(1, 45, rng).assign(x=rng.normal(size=45))
    even = table(Ridge()).fit(X)
    even.score_samples(X)
    assert even.density_.asked_ == 8 * 45
    cut = table(Ridge(width=0.4)).fit(X)
    _, error = cut.score_samples(X, return_std=True)
    # Only one of both cells is cut, which no rule integrates exactly.
    level = cut._codecs[0].decode(np.array([0.3]))[0]
    is_cut = X["b0"] == cut._codecs[0].levels[int(level)]
    assert cut.density_.asked_ == (8 + 16 + 32 + 64) * is_cut.sum() + 8 * (~is_cut).sum()
    assert error[is_cut].min() > error[~is_cut].max()


def test_rows_of_a_smooth_density_get_few_more_points_where_a_copula_moves_them(rng):
    n = 200
    X = yes_no(1, n, rng).assign(x=rng.normal(size=n))
    fitted = table(Ridge()).fit(X)
    assert fitted._copula is not None
    fitted.score_samples(X)
    assert 8 * n <= fitted.density_.asked_ <= 1.2 * 8 * n


def test_few_points_are_as_good_as_training_is_even_in_many_cells():
    u = np.random.default_rng(0).uniform(size=(20_000, 6))
    places, log_weights = toward_middles(u)
    log_shape = np.log(6 * places * (1 - places)).sum(1)
    weights = np.exp(log_shape + log_weights.sum(1))
    assert_allclose(weights.mean(), 1, atol=0.02)
    even = np.exp(np.log(6 * u * (1 - u)).sum(1))
    assert weights.std() < even.std() / 2


def test_moved_points_keep_their_order_and_their_mean_weight():
    u = np.linspace(0, 1, 1001)
    places, log_weights = toward_middles(u)
    assert_array_equal(places[[0, 500, 1000]], [0, 0.5, 1])
    assert np.all(np.diff(places) > 0)
    assert_allclose(trapezoid(np.exp(log_weights), u), 1, atol=1e-3)
    # Integrals of any function stay what they are.
    assert_allclose(trapezoid(places**3 * np.exp(log_weights), u), 1 / 4, atol=1e-3)


@pytest.mark.parametrize("order", [4, 8, 11])
def test_gauss_rules_are_exact_for_polynomials_and_coarser_ones_for_their_shapes(order):
    rule = gauss_rule(order)
    weights, x = np.exp(rule.log_weights), rule.places[:, 0]
    assert_allclose(weights @ x ** (2 * order - 1), 1 / (2 * order))
    for shape, ratios in zip([np.ones(order), 6 * x * (1 - x)], rule.coarser, strict=True):
        assert_allclose(weights @ shape, 1)
        assert_allclose(weights @ (shape * ratios), 1)


def test_stages_have_more_points_and_keep_those_they_had():
    for n_cells in (1, 2, 3):
        stages = rules(n_cells, 5, 128)
        assert np.all(np.diff([rule.n_points for rule in stages]) > 0)
        for few, many in itertools.pairwise(stages):
            assert_array_equal(many.places[: many.n_known], few.places[: many.n_known])
            assert_allclose(logsumexp(many.log_weights), 0, atol=1e-9)
    assert [first_order(n) for n in (2, 128, 512, 2**20)] == [4, 8, 16, 64]
    assert _cell_rules.few_points(0, 8).n_points == 1

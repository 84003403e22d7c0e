"""Cells of discrete columns: their probabilities, their errors, and the points that give them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from sklearn.base import BaseEstimator
from sklearn.mixture import BayesianGaussianMixture

from flowkit import FlowDensity
from flowkit.exceptions import InaccurateScoresWarning
from flowkit.tables import _cell_rules
from flowkit.tables._cell_rules import first_order, gauss_rule, rules, sobol_rule, toward_middles

from .examples import table

FLOW = FlowDensity(n_transforms=2, hidden_units=8, max_epochs=3, random_state=0)
# A mixture whose conditionals are not asked for.
MIXTURE = BayesianGaussianMixture(n_components=3, random_state=0, max_iter=200)


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
    assert_allclose(probability.sum(), 1, atol=0.02)
    assert abs(probability.sum() - 1) <= 2 * np.hypot.reduce(probability * error) + 0.003


def test_sums_and_integrals_of_two_categories_and_a_number_are_one(rng):
    X = yes_no(2, 300, rng).assign(x=rng.normal(size=300))
    fitted = table(MIXTURE).fit(X)
    x = np.linspace(-7, 7, 101)
    mass = [
        trapezoid(
            np.exp(fitted.score_samples(row.to_frame().T.merge(pd.DataFrame({"x": x}), "cross"))), x
        )
        for _, row in every_row(2).iterrows()
    ]
    assert_allclose(sum(mass), 1, atol=0.005)


@pytest.mark.parametrize("n_columns", [1, 2, 5])
def test_errors_cover_the_distance_to_a_very_fine_average(n_columns, rng):
    X = yes_no(n_columns, 300, rng).assign(x=rng.normal(size=300))
    fitted = table(FLOW).fit(X)
    rows = X[:25]
    scores, error = fitted.score_samples(rows, return_std=True)
    encoded = fitted._encoded_density()
    numbers = fitted._rows(fitted._read(rows, reset=False)[0])
    rule = gauss_rule(96, 1) if n_columns == 1 else sobol_rule(4096, n_columns)
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


class Ridge(BaseEstimator):
    """Uniform on a narrow part of the first column, standard normal in the others."""

    def __init__(self, width=0.01, middle=0.3):
        self.width = width
        self.middle = middle

    def fit(self, X, y=None):
        self.asked_ = 0
        return self

    def score_samples(self, X):
        self.asked_ += len(X)
        log_density = -0.5 * (X**2).sum(1) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        inside = np.abs(X[:, 0] - self.middle) < self.width / 2
        return log_density + np.where(inside, 0.5 * X[:, 0] ** 2 - np.log(self.width), -60)


def test_only_rows_of_large_error_get_more_points(rng):
    X = yes_no(1, 200, rng).assign(x=rng.normal(size=200))
    even = table(Ridge(width=100.0)).fit(X)
    even.score_samples(X)
    assert even.density_.asked_ == 8 * 200
    narrow = table(Ridge(width=0.5)).fit(X)
    with pytest.warns(InaccurateScoresWarning, match="n_draws"):
        _, error = table(Ridge(width=0.02)).fit(X).score_samples(X, return_std=True)
    narrow.score_samples(X)
    assert narrow.density_.asked_ > 8 * 200
    assert error.max() > 0.25


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


@pytest.mark.parametrize("n_columns", [1, 2])
@pytest.mark.parametrize("order", [4, 8, 11])
def test_gauss_rules_are_exact_for_polynomials_and_coarser_ones_for_their_shapes(order, n_columns):
    rule = gauss_rule(order, n_columns)
    weights = np.exp(rule.log_weights)
    powers = np.prod(rule.places ** (2 * order - 1), 1)
    assert_allclose(weights @ powers, (1 / (2 * order)) ** n_columns)
    shapes = np.ones(len(weights)), np.prod(6 * rule.places * (1 - rule.places), 1)
    for shape, ratios in zip(shapes, rule.coarser, strict=True):
        assert_allclose(weights @ shape, 1)
        assert_allclose(weights @ (shape * ratios), 1)


def test_stages_have_more_points_and_keep_those_they_had():
    for n_cells in (1, 2, 3):
        stages = rules(n_cells, 5, 128)
        assert np.all(np.diff([rule.n_points for rule in stages]) > 0)
        for few, many in itertools.pairwise(stages):
            assert_array_equal(many.places[: many.n_known], few.places[: many.n_known])
            assert_allclose(logsumexp(many.log_weights), 0, atol=1e-9)
    assert [first_order(n) for n in (2, 128, 512, 2**14, 2**20)] == [4, 8, 16, 32, 32]
    assert _cell_rules.few_points(0, 8).n_points == 1

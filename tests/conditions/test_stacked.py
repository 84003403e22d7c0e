"""A stack answers as the mean of its members does, whatever numbers they tell levels by."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture

from flowkit import (
    FlowDensity,
    FractalFlowDensity,
    StackedDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit.conditions import Questions, relabelled
from flowkit.exceptions import InvalidParameterError, OutsideSupportError

from ..missing.examples import correlated
from .examples import QUICK, bent, fits, gaussian, mixture_of

KNOWN = [0, 2]


def stack_of(*densities, weights=None):
    """A stack of fitted members with given weights."""
    rows = densities[0].sample(20)
    rows = rows[0] if isinstance(rows, tuple) else rows
    members = [(f"member{k}", density) for k, density in enumerate(densities)]
    stack = StackedDensity(members, cv="prefit").fit(rows)
    if weights is not None:
        stack.weights_ = np.array(weights)
    return stack


@functools.cache
def pair():
    """A stack of two Gaussians, and the mixture that it is."""
    one, two = (gaussian(4, seed) for seed in (0, 1))
    both = mixture_of(one, two)
    both.weights_ = np.array([0.7, 0.3])
    return stack_of(mixture_of(one), mixture_of(two), weights=both.weights_), both


def rows_of(both, n=30):
    return stack_of(both).sample(n, random_state=0)


def test_a_stack_of_gaussians_answers_as_their_mixture():
    stack, both = pair()
    whole, rows = stack_of(both), rows_of(both)
    given = np.where(np.isin(np.arange(4), KNOWN), rows, np.nan)
    for ask in (
        lambda density: density.score_samples(rows, given=KNOWN),
        lambda density: density.marginal([3, 1]).score_samples(rows[:, [3, 1]]),
        lambda density: density.cdf(rows, 1, given=KNOWN),
        lambda density: density.quantile([0.05, 0.5, 0.95], 1, given=given),
    ):
        np.testing.assert_allclose(ask(stack), ask(whole), atol=1e-8)
    _, error = stack.score_samples(rows, given=KNOWN, return_std=True)
    assert (error == 0).all()


def test_draws_of_a_stack_given_columns_are_those_of_its_mixture():
    stack, both = pair()
    row = rows_of(both)[0]
    drawn = stack.sample(2000, random_state=0, given={0: row[0], 2: row[2]})
    assert (drawn[:, KNOWN] == row[KNOWN]).all()
    law = stack_of(both)
    for column in (1, 3):

        def cdf(values, column=column):
            rows = np.tile(row, (len(values), 1))
            rows[:, column] = values
            return law.cdf(rows, column, given=KNOWN)

        assert fits(drawn[:, column], cdf)


def test_rows_given_have_their_draws_next_to_each_other():
    stack, both = pair()
    given = np.where(np.isin(np.arange(4), KNOWN), rows_of(both, 3), np.nan)
    drawn = stack.sample(4, random_state=0, given=given)
    np.testing.assert_array_equal(drawn[:, KNOWN], np.repeat(given[:, KNOWN], 4, axis=0))


def test_members_that_are_asked_by_draws_integrate_to_one():
    X = bent().sample(60, random_state=0)
    members = [("bent", bent()), ("gaussian", GaussianMixture(random_state=0).fit(X))]
    stack = StackedDensity(members, cv="prefit").fit(X)
    stack.weights_ = np.array([0.6, 0.4])
    line = np.linspace(-6, 6, 120)
    rows = np.column_stack([np.full(120, X[0, 0]), line])
    log_density, error = stack.score_samples(rows, given=[0], return_std=True)
    assert error.max() > 0
    assert trapezoid(np.exp(log_density), line) == pytest.approx(1, abs=4 * error.max() + 0.01)
    cdf, of_cdf = stack.cdf(rows, 1, given=[0], return_std=True)
    integral = np.exp(log_density).cumsum() * (line[1] - line[0])
    assert (np.abs(cdf - integral) < 5 * of_cdf + 0.03).all()


def test_kernels_of_each_member_are_left_out_of_what_is_given():
    X = correlated(40)
    kernels = [FlowDensity(n_transforms=0, prior="kernel", **QUICK).fit(X[k:]) for k in (0, 5)]
    plain = GaussianMixture(random_state=0).fit(X)
    members = [("one", kernels[0]), ("two", kernels[1]), ("plain", plain)]
    stack = StackedDensity(members, cv="prefit").fit(X)
    stack.weights_ = np.array([0.5, 0.3, 0.2])
    known = [density.score_samples(X) - density.score_samples(X, given=[1]) for density in kernels]
    marginal = stack_of(plain).marginal([1]).score_samples(X[:, [1]])
    below = np.exp(np.column_stack([*known, marginal])) @ stack.weights_
    found = stack.score_samples(X, given=[1])
    np.testing.assert_allclose(found, stack.score_samples(X) - np.log(below))
    behind = TransformedDensity("passthrough", FrozenEstimator(stack)).fit(X)
    np.testing.assert_allclose(behind.score_samples(X, given=[1]), found)


@functools.cache
def people():
    rng = np.random.default_rng(0)
    size = rng.choice(["s", "m", "l"], 200)
    shift = pd.Series(size).map({"s": -2.0, "m": 0.0, "l": 3.0}).to_numpy()
    return pd.DataFrame({"size": size, "weight": shift + rng.normal(size=200)})


@functools.cache
def tables():
    members = [
        ("one", TableDensity(GaussianMixture(2, random_state=0), random_state=0)),
        ("two", TableDensity(GaussianMixture(4, random_state=0), random_state=1)),
    ]
    stack = StackedDensity(members, cv=2, random_state=0).fit(people())
    stack.weights_ = np.array([0.5, 0.5])
    return stack


def test_a_stack_of_tables_is_asked_by_names_and_levels():
    stack, table = tables(), people()
    drawn = stack.sample(400, random_state=0, given={"size": "l"})
    assert list(drawn.columns) == ["size", "weight"]
    assert (drawn["size"] == "l").all()
    assert drawn["weight"].mean() == pytest.approx(3, abs=0.3)
    weights = np.linspace(-5, 7, 5)
    found = [
        stack.score_samples(pd.DataFrame({"size": level, "weight": weights}), given="weight")
        for level in "sml"
    ]
    np.testing.assert_allclose(np.exp(found).sum(0), 1, atol=0.02)
    low, high = stack.quantile([0.1, 0.9], "weight", given={"size": "s"})
    assert -5 < low < -2 < high < 1
    marginal = stack.marginal("size").score_samples(table[["size"]])
    np.testing.assert_allclose(
        np.exp(marginal), table["size"].map(table["size"].value_counts(normalize=True)), atol=0.05
    )


def test_levels_that_do_not_exist_are_refused_by_name():
    with pytest.raises(OutsideSupportError, match=r"column size in row 0.*levels"):
        tables().sample(1, given={"size": "xl"})


class OfTwo(Questions):
    """Questions to the law of a level, 0 or 1, and a number; level 1 has a third of all."""

    is_exact = True

    def log_density(self, X, n_draws, without=None):
        level = np.where(np.isnan(X[:, 0]), 0.0, np.log(np.where(X[:, 0] == 1, 1 / 3, 2 / 3)))
        return level + np.where(np.isnan(X[:, 1]), 0, stats.norm.logpdf(X[:, 1])), 0 * level

    def draws(self, X, n_draws, rng, most=0):
        copies = np.repeat(X[:, None], n_draws, 1)
        copies[..., 0] = np.where(
            np.isnan(copies[..., 0]), rng.uniform(size=copies.shape[:2]) < 1 / 3, copies[..., 0]
        )
        copies[..., 1] = np.where(
            np.isnan(copies[..., 1]), rng.normal(size=copies.shape[:2]), copies[..., 1]
        )
        return copies, np.full(len(X), np.inf)


@pytest.mark.parametrize(
    ("levels", "others", "second"),
    [(np.array([7.0, 2.0]), None, 2.0), (np.array(["a", "b"]), np.array(["b", "a"]), 0.0)],
    ids=["values", "another order"],
)
def test_levels_are_told_by_other_numbers(levels, others, second):
    asked = relabelled(OfTwo(), {0: levels}, None if others is None else {0: others})
    rows = np.array([[second, np.nan], [np.nan, 0.5], [3.0, 0.0]])
    found, _ = asked.log_density(rows, 2)
    np.testing.assert_allclose(found, [np.log(1 / 3), stats.norm.logpdf(0.5), -np.inf])
    copies, _ = asked.draws(rows[:2], 3000, np.random.RandomState(0))
    assert (copies[0, :, 0] == second).all()
    assert np.mean(copies[1, :, 0] == second) == pytest.approx(1 / 3, abs=0.04)


def test_densities_of_other_levels_answer_no_questions_together():
    with pytest.raises(InvalidParameterError, match="different levels of column 0"):
        relabelled(OfTwo(), {0: np.array(["a", "b"])}, {0: np.array(["a", "c"])})


def test_tables_behind_transformers_know_levels_by_their_values():
    rng = np.random.default_rng(0)
    level = rng.choice([2.0, 5.0], 200)
    X = np.column_stack([level, level + rng.normal(size=200)])
    table = TableDensity(GaussianMixture(2, random_state=0), random_state=0)
    behind = TransformedDensity("passthrough", table).fit(X)
    bare = behind.density_
    np.testing.assert_allclose(
        behind.score_samples(X[:9], given=[0]), bare.score_samples(X[:9], given=[0])
    )
    drawn = behind.sample(50, random_state=0, given={1: 5.5})
    assert set(drawn[:, 0]) <= {2.0, 5.0}
    assert behind.sample(2, random_state=0, given={0: 5.0})[:, 0].tolist() == [5.0, 5.0]


class ReadsAll(BaseEstimator):
    """Takes tables, and is no density that can be asked."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def score_samples(self, X):
        return np.zeros(len(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = True
        return tags


def test_members_that_cannot_be_asked_are_refused():
    stack = StackedDensity([("all", ReadsAll())], cv=2).fit(people())
    with pytest.raises(InvalidParameterError, match=r"stacks of ReadsAll.*TableDensity"):
        stack.score_samples(people(), given="size")
    images = FractalFlowDensity(
        image_shape=(2, 2), early_stopping=False, max_epochs=1, random_state=0
    )
    X = np.random.default_rng(0).integers(0, 9, (20, 4))
    stack = StackedDensity([("images", images)], cv=2).fit(X)
    with pytest.raises(InvalidParameterError, match="images"):
        stack.quantile(0.5, 0)

"""Parts of the classical start, and of calibration, against what they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from flowkit.bijections import ElementwiseAffine
from flowkit.exceptions import FewCalibrationRowsWarning, ShapeError
from flowkit.modules import ResidualFlow
from flowkit.priors import Normal
from flowkit.regression._conformal import reach
from flowkit.regression._learners import LEARNERS, cross_fitted
from flowkit.regression._predictors import TreeSum
from flowkit.regression._start import regression_start

from .examples import fan, pair


def test_a_sum_of_trees_is_the_forest_that_it_was_made_of():
    X, Y = pair()
    forest = ExtraTreesRegressor(5, min_samples_leaf=3, random_state=0).fit(X, Y)
    made = TreeSum.of(forest.estimators_, 1 / 5, np.zeros(2), slice(None))
    np.testing.assert_allclose(made.predict(X), forest.predict(X), rtol=1e-12)


def test_a_sum_of_trees_is_the_boosting_that_it_was_made_of():
    X, y = fan()
    model = GradientBoostingRegressor(n_estimators=7, random_state=0).fit(X, y)
    bias = np.ravel(model.init_.constant_)
    made = TreeSum.of(model.estimators_[:, 0], 0.1, bias, slice(0, 1))
    np.testing.assert_allclose(made.predict(X)[:, 0], model.predict(X), rtol=1e-12)


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_learners_predict_several_targets_each_like_one(learner):
    X, Y = pair()
    together = learner(X, Y, None, np.random.RandomState(0)).predict(X)
    assert together.shape == Y.shape
    for j in range(2):
        apart = learner(X, Y[:, [j]], None, np.random.RandomState(0)).predict(X)
        assert np.corrcoef(apart[:, 0], together[:, j])[0, 1] > 0.9


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_learners_take_weights(learner):
    X, Y = pair()
    weight = np.where(X[:, 0] > 0, 1.0, 1e-9)
    kept = X[:, 0] > 0
    found = learner(X, np.where(kept[:, None], Y, 1000 + Y), weight, np.random.RandomState(0))
    assert np.abs(found.predict(X[kept]) - Y[kept]).max() < 500


def test_cross_fitting_predicts_rows_by_fits_without_them():
    """Pure noise cannot be predicted, so that no fit that has seen a row is asked about it."""
    rng = np.random.RandomState(0)
    X, Y = rng.normal(size=(200, 3)), rng.normal(size=(200, 1))
    fold = np.arange(200) % 5
    predictions, mean = cross_fitted(LEARNERS["forest"], X, Y, None, fold, rng)
    assert abs(np.corrcoef(predictions[:, 0], Y[:, 0])[0, 1]) < 0.25
    assert np.corrcoef(mean.predict(X)[:, 0], Y[:, 0])[0, 1] > 0.5


def test_ridge_is_least_squares_where_rows_are_many():
    X, Y = pair(2000)
    found = LEARNERS["ridge"](X, Y, None, None)
    reference = LinearRegression().fit(X, Y)
    np.testing.assert_allclose(found.predict(X), reference.predict(X), rtol=0, atol=0.5)


def test_weights_of_the_blend_are_convex_and_follow_the_better_fit():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 3))
    linear, step = X @ [[1.0], [2.0], [0.0]], np.sign(X[:, [0]] * X[:, [1]])
    Y = np.hstack([linear, step]) + 0.1 * rng.normal(size=(300, 2))
    start, _ = regression_start("auto", X, Y, None, rng)
    weights = start.locations.weights
    np.testing.assert_allclose(weights.sum(0), 1)
    assert (weights >= 0).all()
    assert weights[0, 0] > 0.9
    assert weights[0, 1] < 0.1


def test_scales_differ_from_row_to_row_only_where_that_pays():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 2))
    noise = rng.normal(size=(400, 1))
    same, _ = regression_start("forest", X, X[:, [0]] + noise, None, rng)
    fanned, left_out = regression_start("forest", X, np.exp(X[:, [1]]) * noise, None, rng)
    assert np.ptp(same.predict(X)[:, 1]) < 0.3
    assert np.corrcoef(fanned.predict(X)[:, 1], X[:, 1])[0, 1] > 0.8
    residual = np.exp(X[:, 1]) * noise[:, 0] - left_out[:, 0]
    assert np.mean((residual / np.exp(left_out[:, 1])) ** 2) == pytest.approx(1)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_as_many_new_scores_are_within_reach_as_should_be(coverage):
    """On average over calibration sets: at least the coverage, and not much more."""
    rng, n = np.random.default_rng(0), 40
    scores = rng.lognormal(size=(1000, n + 1))
    held = [new <= reach(np.array(old)[:, None], None, coverage)[0] for *old, new in scores]
    error = 3 * np.sqrt(coverage * (1 - coverage) / len(held))
    assert coverage - error <= np.mean(held) <= coverage + 1 / (n + 1) + error


def test_weights_of_calibration_rows_are_repeats():
    rng = np.random.default_rng(0)
    scores, times = rng.exponential(size=(50, 2)), rng.integers(1, 4, 50)
    weighted = reach(scores, times.astype(float), 0.8)
    repeated = reach(np.repeat(scores, times, axis=0), None, 0.8)
    ranks = [np.searchsorted(np.sort(scores[:, j]), [weighted[j], repeated[j]]) for j in range(2)]
    # A new row weighs as much as the mean row instead of one repeat.
    assert all(abs(first - second) <= 1 for first, second in ranks)


def test_too_few_calibration_rows_are_told():
    with pytest.warns(FewCalibrationRowsWarning, match="about 99 calibration rows"):
        assert np.isinf(reach(np.ones((9, 1)), None, 0.99)).all()
    assert np.isfinite(reach(np.ones((9, 1)), None, 0.9)).all()


def test_a_module_needs_room_for_location_and_scale():
    with pytest.raises(ShapeError, match="at least 4 columns"):
        ResidualFlow(ElementwiseAffine(2, n_context=3), Normal(2))
    with pytest.raises(ShapeError, match="prior 1"):
        ResidualFlow(ElementwiseAffine(2, n_context=4), Normal(1))

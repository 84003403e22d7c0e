"""The regressor as an estimator: training, shapes, files, calibration and refusals."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch.callbacks import Callback

import flowkit
from flowkit import ConditionalFlow, StopTraining, TrainingCurveDisplay
from flowkit.exceptions import (
    CheckpointError,
    ConstantColumnWarning,
    ConstraintError,
    FewCalibrationRowsWarning,
    InvalidDataError,
    NoHoldOutWarning,
    UnsupportedValueError,
)

from .examples import fan, fitted, small

NAMES = ("one", "two", "auto", "calibrated")
every_model = pytest.mark.parametrize("name", NAMES)


class Stops(Callback):
    """Ends training after an epoch, or with an error."""

    def __init__(self, epoch, error=StopTraining):
        self.epoch, self.error = epoch, error

    def on_train_begin(self, net, **kwargs):
        if self.epoch == 0:
            raise self.error

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise self.error


def all_of(model, X, Y):
    """Everything that a model says of rows."""
    return (
        *model.predict(X, return_std=True),
        model.predict_quantiles(X, [0.1, 0.7]),
        model.predict_interval(X, 0.8),
        model.log_prob(X, Y),
        model.cdf(X, Y),
        model.sample(X, 2, random_state=0),
    )


def assert_same(first, second, X, Y, **tolerance):
    for a, b in zip(all_of(first, X, Y), all_of(second, X, Y), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, **tolerance})


@every_model
def test_files_and_pickles_give_the_model_back(name, tmp_path):
    model, X, Y = fitted(name)
    flowkit.save(model, tmp_path / "model.flow")
    for copy in (flowkit.load(tmp_path / "model.flow"), pickle.loads(pickle.dumps(model))):
        assert_same(model, copy, X[:20], Y[:20])
        assert copy.get_params() == model.get_params()
    card = flowkit.model_card(tmp_path / "model.flow")
    assert f"{len(X)} rows of 3 columns" in card
    assert "held-out rows" in card


@pytest.mark.parametrize("name", ["two", "auto"])
def test_the_same_seed_gives_the_same_model(name):
    model, X, Y = fitted(name)
    again = clone(model).fit(X, Y)
    assert_same(model, again, X[:20], Y[:20])


def test_another_seed_gives_another_model():
    model, X, y = fitted()
    other = clone(model).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(other.log_prob(X, y), model.log_prob(X, y))


@every_model
def test_shapes_follow_those_of_the_targets(name):
    model, X, Y = fitted(name)
    tail = Y.shape[1:]
    mean, std = model.predict(X, return_std=True)
    assert mean.shape == std.shape == model.cdf(X, Y).shape == Y.shape
    assert (std > 0).all()
    np.testing.assert_array_equal(model.predict(X), mean)
    assert model.predict_quantiles(X).shape == (len(X), 3, *tail)
    assert model.predict_quantiles(X, 0.5).shape == (len(X), *tail)
    assert model.predict_interval(X).shape == (len(X), 2, *tail)
    assert model.sample(X[:4], 7).shape == (4, 7, *tail)
    assert model.log_prob(X, Y).shape == (len(X),)


def test_a_column_of_targets_stays_a_column():
    X, y = fan(80)
    column = small(max_epochs=1).fit(X, y[:, None])
    flat = small(max_epochs=1).fit(X, y)
    assert column.predict(X).shape == (80, 1)
    np.testing.assert_array_equal(column.predict(X)[:, 0], flat.predict(X))
    np.testing.assert_array_equal(column.log_prob(X, y[:, None]), flat.log_prob(X, y))


@every_model
def test_the_best_epoch_is_kept_and_the_initial_one_takes_part(name):
    model, _, _ = fitted(name)
    valid = model.history_["valid_log_density"]
    assert len(valid) == model.n_iter_ + 1
    assert model.best_epoch_ == np.argmax(valid)


def test_without_training_the_model_is_the_classical_regression():
    X, y = fan()
    model = small(callbacks=[Stops(0)]).fit(X, y)
    assert model.n_iter_ == model.best_epoch_ == 0
    ridge = RidgeCV().fit(X, y)
    assert np.corrcoef(model.predict(X), ridge.predict(X))[0, 1] > 0.99
    assert np.ptp(model.predict(X, return_std=True)[1]) < 1e-9


def test_linear_data_give_the_linear_model():
    """With normal residuals of one size, the best density is known."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 4))
    y = X @ [1.0, -2.0, 0.5, 0.0] + 0.5 * rng.normal(size=1000)
    model = small(max_epochs=5).fit(X[:600], y[:600])
    truth = -0.5 * np.log(2 * np.pi * 0.25 * np.e)
    assert model.log_prob(X[600:], y[600:]).mean() > truth - 0.1
    mean, std = model.predict(X[600:], return_std=True)
    assert np.sqrt(np.mean((mean - X[600:] @ [1.0, -2.0, 0.5, 0.0]) ** 2)) < 0.1
    np.testing.assert_allclose(std, 0.5, rtol=0.25)


def test_the_flow_learns_what_the_start_cannot():
    """Two branches: a distribution of two modes, which lie where the feature says."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (400, 1))
    y = np.where(rng.random(400) < 0.5, 1, -1) * (1.2 + X[:, 0]) + 0.1 * rng.normal(size=400)
    model = small(max_epochs=30, batch_size=64, learning_rate=0.01).fit(X, y)
    valid = model.history_["valid_log_density"]
    assert valid[model.best_epoch_] > valid[0] + 0.1
    middle = model.log_prob(np.array([[0.8]]), [0.0])
    branch = model.log_prob(np.array([[0.8]]), [2.0])
    assert branch > middle + 1


def test_intervals_hold_however_wrong_the_model_is():
    """Calibrated by rows of the same law as the new ones, whose spread the start does not know."""
    X, y = fan(900, seed=3)
    fit, new = slice(0, 300), slice(300, None)
    model = small(max_epochs=1, calibrate=True, calibration_fraction=0.5).fit(X[fit], y[fit])
    assert model.calibration_scores_.shape == (150, 1)
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(X[new], coverage).T
        share = np.mean((low <= y[new]) & (y[new] <= high))
        # A calibration set of 150 rows is off by about 0.03 itself.
        assert share > coverage - 0.1
        assert share < coverage + 0.1


def test_calibration_mends_intervals_that_are_too_narrow():
    model, X, _ = fitted("calibrated")
    plain = model.predict_interval(X, 0.9)
    copy = pickle.loads(pickle.dumps(model))
    copy.calibration_scores_ = 3 * model.calibration_scores_
    wider = copy.predict_interval(X, 0.9)
    assert (wider[:, 0] < plain[:, 0]).all()
    assert (wider[:, 1] > plain[:, 1]).all()
    with pytest.warns(FewCalibrationRowsWarning, match=r"coverage=0\.999"):
        assert np.isinf(model.predict_interval(X, 0.999)).all()


def test_rows_without_weight_are_left_out():
    X, y = fan(120)
    weight = np.r_[np.ones(90), np.zeros(30)]
    for calibrate in (False, True):
        model = small(calibrate=calibrate).fit(X, y, sample_weight=weight)
        ones = small(calibrate=calibrate).fit(X[:90], y[:90], sample_weight=np.ones(90))
        assert_same(model, ones, X, y, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-300, 1e-8, 1e300])
def test_ratios_of_weights_count_alone(size):
    X, y = fan(120)
    weight = np.where(np.arange(120) % 2, 1.0, 2.0)
    model, other = (small(max_epochs=1).fit(X, y, sample_weight=w) for w in (weight, weight * size))
    np.testing.assert_allclose(other.predict(X), model.predict(X), rtol=1e-6)


def test_two_rows_are_enough():
    X, y = fan(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = small(start="auto", max_epochs=1).fit(X, y)
    assert np.isfinite(model.log_prob(X, y)).all()


def test_means_far_away_grow_with_the_features_not_exponentially():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(300, 1))
    y = np.column_stack([X[:, 0], X[:, 0] ** 2]) + rng.normal(size=(300, 2)) * 0.1
    model = small(max_epochs=20).fit(X, y)
    near, far = model.predict([[10.0]])[0], model.predict([[1000.0]])[0]
    assert (np.abs(far) < 1000 * np.abs(near)).all()


def test_names_of_frames_are_kept_and_compared():
    X, y = fan(80)
    frame = pd.DataFrame(X, columns=["age", "height", "weight"])
    model = small(max_epochs=1).fit(frame, pd.Series(y, name="price"))
    assert list(model.feature_names_in_) == ["age", "height", "weight"]
    with pytest.raises(InvalidDataError, match="same order"):
        model.predict(frame[["height", "age", "weight"]])
    with pytest.warns(ConstantColumnWarning, match="rent"):
        small(max_epochs=1).fit(frame, pd.DataFrame({"rent": 1.0 + 0 * y, "price": y}))


def test_works_in_pipelines_and_searches():
    X, y = fan(80)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), small(max_epochs=1)),
        {"conditionalflow__n_transforms": [0, 1]},
        cv=2,
    ).fit(X, y)
    assert search.score(X, y) > 0
    assert search.best_estimator_[-1].sample(X[:2], 3).shape == (2, 3)


def test_callbacks_end_training_and_time_runs_out():
    X, y = fan(80)
    model = small(callbacks=[Stops(2)]).fit(X, y)
    assert model.n_iter_ == 2
    assert len(small(max_epochs=50, max_time=1e-6).fit(X, y).history_["epoch"]) < 50


def test_a_fit_goes_on_from_its_checkpoint(tmp_path):
    X, y = fan(80)
    file = tmp_path / "training.pt"
    reference = small(dropout=0.1).fit(X, y)
    broken = small(dropout=0.1, checkpoint=file, callbacks=[Stops(3, ZeroDivisionError)])
    with pytest.raises(ZeroDivisionError):
        broken.fit(X, y)
    assert file.exists()
    with pytest.raises(CheckpointError):
        small(dropout=0.1, checkpoint=file).fit(X, y + 1)
    model = small(dropout=0.1, checkpoint=file).fit(X, y)
    assert not file.exists()
    assert_same(model, reference, X, y)


def test_the_course_of_training_can_be_drawn():
    display = TrainingCurveDisplay.from_estimator(fitted()[0])
    assert sorted(display.lines_) == ["train_log_density", "valid_log_density"]


def test_a_fit_that_fails_leaves_the_model_as_it_was():
    model, X, y = fitted()
    model = pickle.loads(pickle.dumps(model)).set_params(callbacks=[Stops(1, ZeroDivisionError)])
    before = all_of(model, X, y)
    with pytest.raises(ZeroDivisionError):
        model.fit(X[:, :2], y)
    assert model.n_features_in_ == 3
    for a, b in zip(all_of(model, X, y), before, strict=True):
        np.testing.assert_array_equal(a, b)
    untouched = small(callbacks=[Stops(1, ZeroDivisionError)])
    with pytest.raises(ZeroDivisionError):
        untouched.fit(X, y)
    assert not [name for name in vars(untouched) if name.endswith("_")]


def test_global_random_numbers_stay_as_they_are():
    X, y = fan(60)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    small(max_epochs=1, start="auto").fit(X, y).sample(X, 2, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_constant_target_is_modelled_as_its_value():
    X, _ = fan(60)
    with pytest.warns(ConstantColumnWarning, match="column"):
        model = small(max_epochs=1).fit(X, np.full(60, 7.0))
    np.testing.assert_allclose(model.predict(X), 7, atol=0.2)


def test_targets_without_noise_have_finite_densities():
    X, _ = fan(200)
    model = small(max_epochs=2).fit(X, 3 * X[:, 0] - X[:, 1])
    assert np.isfinite(model.log_prob(X, 3 * X[:, 0] - X[:, 1])).all()
    assert model.score(X, 3 * X[:, 0] - X[:, 1]) > 0.999


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused_by_name(bad):
    model, X, y = fitted()
    broken, wrong = X.copy(), y.copy()
    broken[3, 1], wrong[3] = bad, bad
    for ask in (model.predict, lambda X: small().fit(X, y), lambda X: model.log_prob(X, y)):
        with pytest.raises(InvalidDataError, match=r"1\b"):
            ask(broken)
    for ask in (lambda y: small().fit(X, y), lambda y: model.log_prob(X, y)):
        with pytest.raises(InvalidDataError, match="y"):
            ask(wrong)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m, X, y: m.log_prob(X, y[:5]), r"expected y of shape \(240,\)"),
        (lambda m, X, y: m.cdf(X, y[:, None]), r"got \(240, 1\)"),
        (lambda m, X, y: m.predict_quantiles(X, 1.0), "quantiles must be between 0 and 1"),
        (lambda m, X, y: m.predict_quantiles(X, [0.1, np.nan]), "quantiles"),
        (lambda m, X, y: m.predict_quantiles(X, []), "quantiles"),
        (lambda m, X, y: m.predict_interval(X, "0.9%"), "coverage must be between"),
        (lambda m, X, y: m.predict_interval(X, [0.5, 0.9]), "coverage must be one number"),
        (lambda m, X, y: m.sample(X, 0), "n_samples must be an int"),
        (lambda m, X, y: m.predict(X[:, :2]), "2 features"),
        (lambda m, X, y: m.fit(X, y[:5]), "inconsistent numbers of samples"),
        (lambda m, X, y: m.fit(X, None), "requires y"),
        (lambda m, X, y: m.fit(X[:1], y[:1]), "minimum of 2"),
        (lambda m, X, y: m.fit(np.full_like(X, 1e200) * X, y), "overflows"),
        (lambda m, X, y: m.fit(X, 1e200 * y), "y are too large"),
        (lambda m, X, y: m.fit(X, y, sample_weight=np.zeros(240)), "at least one non-zero"),
    ],
)
def test_bad_arguments_are_refused_and_change_nothing(ask, message):
    model, X, y = fitted()
    before = dict(vars(model))
    with pytest.raises(InvalidDataError, match=message):
        ask(model, X, y)
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())


def test_text_is_refused():
    X, y = fan(60)
    frame = pd.DataFrame(X).assign(colour="red")
    with pytest.raises(UnsupportedValueError, match="colour"):
        small().fit(frame, y)


REMEDIES = {
    r"colour.*OneHotEncoder\(sparse_output=False\)": (
        {"colour": ["red", "blue"] * 30},
        OneHotEncoder(sparse_output=False),
    ),
    r"age.*SimpleImputer or flowkit.DensityImputer": (
        {"age": [np.nan, 1.0, 2.0] * 20},
        SimpleImputer(),
    ),
}


@pytest.mark.parametrize(("told", "case"), REMEDIES.items(), ids=["text", "missing"])
def test_what_is_no_number_is_refused_with_a_remedy_that_works(told, case):
    X, y = fan(60)
    column, remedy = case
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(**column)
    with pytest.raises(InvalidDataError, match=told):
        small().fit(frame, y)
    prepared = ColumnTransformer([("some", remedy, list(column))], remainder="passthrough")
    model = make_pipeline(prepared, small(max_epochs=1)).fit(frame, y)
    assert np.isfinite(model.predict(frame)).all()


def test_too_few_rows_to_calibrate_are_refused():
    X, y = fan(60)
    with pytest.raises(InvalidDataError, match=r"calibration_fraction=0\.99 leaves 0 of 60 rows"):
        small(calibrate=True, calibration_fraction=0.99).fit(X, y)
    with pytest.warns(NoHoldOutWarning, match="too few"):
        small(calibrate=True, max_epochs=1).fit(X[:16], y[:16])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("start", "forests", "Did you mean 'forest'"),
        ("transforms", "spline", "transforms"),
        ("calibrate", "yes", "calibrate"),
        ("max_epochs", 0, "max_epochs"),
    ],
)
def test_impossible_parameters_are_refused(name, value, message):
    X, y = fan(60)
    with pytest.raises(ConstraintError, match=message):
        ConditionalFlow(**{name: value}).fit(X, y)

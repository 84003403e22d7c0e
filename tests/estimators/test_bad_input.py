"""Every bad input is a typed error that says what is wrong, and nothing is left half-fitted."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError as SklearnInvalidParameterError

from flowkit import (
    DensityOutlierDetector,
    DifferentiableFunctionTransformer,
    FlowDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit import bijections as b
from flowkit import priors as p
from flowkit.exceptions import (
    ChangedParameterError,
    ConstantColumnWarning,
    DeviceUnavailableError,
    FitDivergedError,
    InvalidDataError,
    InvalidParameterError,
    NoHoldOutWarning,
    OutsideSupportError,
    UnknownNameError,
)

from ..table import ESTIMATORS

SMALL = {"n_transforms": 1, "hidden_units": 8, "max_epochs": 2, "random_state": 0}


def small(**changes):
    return FlowDensity(**{**SMALL, **changes})


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(100, 3))


@pytest.fixture(scope="module")
def fitted(X):
    return small().fit(X)


@pytest.fixture(scope="module")
def fitted_to_names(X):
    return small().fit(pd.DataFrame(X, columns=["age", "height", "weight"]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "score_samples", "transform"])
def test_missing_and_infinite_values_name_the_columns(fitted_to_names, X, bad, method):
    frame = pd.DataFrame(X.copy(), columns=["age", "height", "weight"])
    density = copy.deepcopy(fitted_to_names)
    frame.loc[3, "height"] = bad
    frame.loc[9, "weight"] = bad
    with pytest.raises(InvalidDataError, match="height, weight") as info:
        getattr(density, method)(frame)
    assert ("NaN" if np.isnan(bad) else "infinity") in str(info.value)
    array = X.copy()
    array[0, 1] = bad
    with pytest.raises(InvalidDataError, match=r"column\(s\) 1\b"):
        small().fit(array)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones((10, 2)) * 1j, "Complex data not supported"),
        ([["a", "b"], ["c", "d"]], "could not convert string"),
        (np.arange(10.0), "Expected 2D array, got 1D array"),
        (np.empty((0, 3)), "0 sample"),
        (np.empty((5, 0)), "0 feature"),
        (np.ones((1, 3)), "1 sample"),
        (np.zeros((3, 3, 3)), "dim 3"),
    ],
    ids=["complex", "strings", "1-D", "no rows", "no columns", "one row", "3-D"],
)
def test_data_of_the_wrong_kind(bad, message):
    with pytest.raises(ValueError, match=message):
        small().fit(bad)


def test_one_column_works():
    X = np.random.default_rng(0).normal(size=(100, 1))
    density = small().fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    assert density.sample(3).shape == (3, 1)


def test_constant_columns_work_with_a_warning_that_names_them(X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(fixed=3.0, empty=0.0)
    with pytest.warns(ConstantColumnWarning, match="fixed, empty"):
        density = small().fit(frame)
    assert np.isfinite(density.score_samples(frame)).all()
    moved = frame.assign(fixed=30.0)
    assert (density.score_samples(moved) < density.score_samples(frame) - 10).all()
    with pytest.warns(ConstantColumnWarning, match=r"column\(s\) 0 hold"):
        small().fit(np.full((50, 1), 7.0))


@pytest.mark.parametrize("value", [0.1, 0.3, 1234.567, 1e20])
def test_constants_are_found_whatever_their_mean_rounds_to(value):
    X = np.random.default_rng(0).normal(size=(5000, 2))
    X[:, 1] = value
    with pytest.warns(ConstantColumnWarning, match=r"column\(s\) 1 hold"):
        density = small(n_components=2).fit(X)
    assert density.score(X) > -5


def test_few_rows_work_without_early_stopping_and_with_a_warning(X):
    with pytest.warns(NoHoldOutWarning, match="8 rows"):
        density = small().fit(X[:8])
    assert np.isfinite(density.score_samples(X)).all()
    assert np.isnan(density.history_["valid_log_density"]).all()
    assert np.isfinite(small(early_stopping=False).fit(X[:2]).score_samples(X)).all()


def test_wrong_number_of_features(X):
    density = small().fit(X)
    for method in ("score_samples", "score", "transform"):
        with pytest.raises(ValueError, match="X has 2 features, but FlowDensity is expecting 3"):
            getattr(density, method)(X[:, :2])
    with pytest.raises(InvalidDataError, match=r"\(n, 3\), got \(100, 2\)"):
        density.inverse_transform(X[:, :2])
    with pytest.raises(ValueError, match="X has 2 features"):
        density.partial_fit(X[:, :2])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(100), "Negative values in data passed to `sample_weight`"),
        (np.full(100, np.nan), "NaN"),
        (np.zeros(100), "[Ww]eight.*zero"),
        (np.eye(100)[0], "leaves 1 row"),
        (np.ones(99), "sample_weight.shape"),
    ],
    ids=["negative", "nan", "zero", "one row", "length"],
)
def test_impossible_weights(X, weight, message):
    with pytest.raises(ValueError, match=message):
        small().fit(X, sample_weight=weight)


@pytest.mark.parametrize(
    "parameters",
    [
        {"n_bins": 1},
        {"n_bins": 2.5},
        {"tail_bound": 0},
        {"tail_bound": -1.0},
        {"n_transforms": -1},
        {"hidden_units": 0},
        {"n_hidden_layers": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"max_epochs": 0},
        {"batch_size": 0},
        {"batch_size": "big"},
        {"learning_rate": 0.0},
        {"weight_decay": -1.0},
        {"validation_fraction": 1.0},
        {"n_iter_no_change": 0},
        {"noise": -0.1},
        {"noise": "loud"},
        {"dequantize": "always"},
        {"dtype": "float16"},
        {"n_components": 0},
        {"callbacks": "print"},
        {"random_state": "seed"},
    ],
    ids=str,
)
def test_impossible_parameters_are_named_at_fit(X, parameters):
    (name,) = parameters
    density = small(**parameters)
    with pytest.raises(SklearnInvalidParameterError, match=f"The '{name}' parameter") as raised:
        density.fit(X)
    assert isinstance(raised.value, InvalidParameterError)
    assert not hasattr(density, "module_")


@pytest.mark.parametrize(
    "estimator",
    [
        *(build(max_epochs=-1) for build in ESTIMATORS.values()),
        DensityOutlierDetector(contamination=2.0),
        TableDensity(n_draws="many"),
        TransformedDensity(StandardScaler(), "density"),
        DifferentiableFunctionTransformer(3, None, None),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_every_error_of_parameters_is_of_flowkit(X, estimator):
    with pytest.raises(InvalidParameterError, match=r"The '\w+' parameter of") as raised:
        estimator.fit(X)
    # What scikit-learn raises itself is all of these.
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, TypeError)
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value)
    for name in ("no_such_name", "nothing__of_that_kind"):
        with pytest.raises(UnknownNameError, match=f"'{name.split('__')[0]}' for estimator"):
            estimator.set_params(**{name: 1})


def test_unknown_parameters_of_a_nested_density_are_told_by_it():
    detector = DensityOutlierDetector(FlowDensity())
    with pytest.raises(UnknownNameError, match=r"FlowDensity\. Did you mean 'max_epochs'"):
        detector.set_params(density__max_epoch=3)


@pytest.mark.parametrize(
    ("name", "value", "near"),
    [
        ("transforms", "spline_cupling", "spline_coupling"),
        ("transforms", "affine-coupling", "affine_coupling"),
        ("prior", "gausian_mixture", "gaussian_mixture"),
        ("prior", "studentt", "student_t"),
        ("dtype", "float23", "float32"),
    ],
)
def test_unknown_names_suggest_the_nearest(X, name, value, near):
    with pytest.raises(ValueError, match=f"Did you mean '{near}'"):
        small(**{name: value}).fit(X)


def test_unknown_parameters_suggest_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'hidden_units'"):
        FlowDensity().set_params(hiden_units=3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_device_is_named(X):
    with pytest.raises(DeviceUnavailableError, match=r"device='cuda'.*device='cpu'"):
        small(device="cuda").fit(X)


@pytest.mark.parametrize("device", ["warp", "cuda:99", "meta"])
def test_an_impossible_device_is_named(X, device):
    with pytest.raises(DeviceUnavailableError, match=device):
        small(device=device).fit(X)


def test_bijections_and_priors_of_another_width(X):
    with pytest.raises(InvalidParameterError, match="transforms expects 2 features, X has 3"):
        small(transforms=b.SplineCoupling(2)).fit(X)
    with pytest.raises(InvalidParameterError, match="prior expects 2 features, X has 3"):
        small(prior=p.Normal(2)).fit(X)
    with pytest.raises(InvalidParameterError, match="not a Bijection"):
        small(transforms=[b.LULinear(3), "spline_coupling"]).fit(X)


def test_conditional_bijections_are_refused(X):
    with pytest.raises(InvalidParameterError, match="context"):
        small(transforms=b.SplineCoupling(3, 2)).fit(X)


def test_rows_outside_the_support_of_the_transform(X):
    with pytest.raises(OutsideSupportError, match="standardize"):
        small(transforms=b.Log(3), prior="normal").fit(X)


def test_values_whose_variance_overflows_name_the_column(X):
    huge = X.copy()
    huge[:, 2] *= 1e200
    with pytest.raises(InvalidDataError, match=r"column\(s\) 2 are too large"):
        small().fit(huge)


@pytest.mark.parametrize("n", [0, -1, 2.5, "three"])
def test_impossible_sample_sizes(fitted, n):
    with pytest.raises(ValueError, match="n_samples must be an int of at least 1"):
        fitted.sample(n)


class Exploding(b.ElementwiseAffine):
    """Gives NaN from its third training step on."""

    steps = 0

    def _forward(self, x, context):
        z, log_det = super()._forward(x, context)
        if self.training:
            self.steps += 1
        return z, log_det * (float("nan") if self.steps > 2 else 1.0)


def test_a_diverged_fit_leaves_the_estimator_unfitted_or_as_it_was(X):
    bad = [Exploding(3)]
    density = small(transforms=bad, prior="normal", max_epochs=10)
    with pytest.raises(FitDivergedError, match="learning_rate"):
        density.fit(X)
    assert not [name for name in vars(density) if name.endswith("_")]

    density = small(max_epochs=10).fit(X)
    before, scores = dict(vars(density)), density.score_samples(X)
    density.set_params(transforms=bad, prior="normal")
    with pytest.raises(FitDivergedError):
        density.fit(X)
    after = dict(vars(density))
    for name in ("transforms", "prior"):
        before.pop(name), after.pop(name)
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)
    np.testing.assert_array_equal(density.score_samples(X), scores)


def test_a_failed_partial_fit_leaves_the_estimator_as_it_was(X):
    density = small().partial_fit(X)
    scores = density.score_samples(X)
    wild = X.copy()
    wild[0, 0] = np.nan
    with pytest.raises(InvalidDataError):
        density.partial_fit(wild)
    np.testing.assert_array_equal(density.score_samples(X), scores)
    assert density.n_iter_ == 1
    density.partial_fit(X)
    assert density.n_iter_ == 2


def test_a_diverged_partial_fit_is_an_error_too(X):
    density = small(transforms=[Exploding(3)], prior="normal", batch_size=25)
    with pytest.raises(FitDivergedError, match="learning_rate"):
        density.partial_fit(X)
    assert not hasattr(density, "module_")
    log = small(transforms=[b.Log(3), b.ElementwiseAffine(3)], prior="normal", standardize=False)
    log.partial_fit(np.exp(X))
    before = log.score_samples(np.exp(X))
    with pytest.raises(OutsideSupportError):
        log.partial_fit(X)
    np.testing.assert_array_equal(log.score_samples(np.exp(X)), before)


def test_continued_training_refuses_changes_of_shape_and_takes_others(X):
    for density in (small(warm_start=True).fit(X), small().partial_fit(X)):
        again = density.fit if density.warm_start else density.partial_fit
        density.set_params(n_transforms=2)
        with pytest.raises(ChangedParameterError, match="n_transforms was 1"):
            again(X)
        density.set_params(n_transforms=1, learning_rate=1e-5, batch_size=10)
        again(X)
    assert density.history_["learning_rate"][-1] == pytest.approx(1e-5)


@pytest.mark.parametrize(
    "steps",
    [
        [b.ElementwiseAffine(3), b.Sigmoid(3)],
        [b.Exp(3)],
        [b.Softplus(3), b.LULinear(3)],
        [b.Tanh(3), b.SplineCoupling(3, hidden_units=4)],
    ],
)
def test_maps_that_miss_latents_of_the_prior_are_refused(X, steps):
    with pytest.raises(InvalidParameterError, match="integrate to one"):
        small(transforms=steps, prior="normal").fit(X)


def test_named_transforms_need_standardised_columns(X):
    with pytest.raises(InvalidParameterError, match="standardize=True"):
        small(standardize=False).fit(X)


def test_callbacks_of_another_kind_are_named(X):
    with pytest.raises(InvalidParameterError, match="skorch callback"):
        small(callbacks=["print"]).fit(X)


@pytest.mark.parametrize("weight", [-np.ones(100), np.zeros(100), np.ones(3)])
def test_impossible_weights_of_a_score(fitted, X, weight):
    with pytest.raises(ValueError, match="weight"):
        fitted.score(X, sample_weight=weight)


def test_bad_latents_are_refused(fitted):
    for bad in (np.full((2, 3), np.nan), np.ones((2, 3)) * 1j, np.ones(3)):
        with pytest.raises(ValueError, match=r"NaN|Complex|2D"):
            fitted.inverse_transform(bad)


def test_bad_data_leaves_the_names_and_widths_of_the_last_fit(X):
    density = small().fit(pd.DataFrame(X, columns=["a", "b", "c"]))
    with pytest.raises(ValueError, match="NaN"):
        density.fit(np.full((10, 2), np.nan))
    assert density.n_features_in_ == 3
    assert list(density.feature_names_in_) == ["a", "b", "c"]

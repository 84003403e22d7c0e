"""Which incomplete rows are taken, which are refused, and scikit-learn's own checks."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit import PHVAE, FlowDensity, FractalFlowDensity, RGFlowDensity
from flowkit.exceptions import ConstantColumnWarning, InvalidDataError, InvalidParameterError

from ..estimators.test_conformance import EXPECTED_FAILURES
from .examples import DENSITIES, moons, with_holes


def test_missing_values_of_data_frames_count():
    frame = pd.DataFrame(moons(), columns=["a", "b"]).convert_dtypes()
    frame.loc[frame.index % 3 == 0, "a"] = pd.NA
    density = DENSITIES["flow"]().fit(frame)
    array = frame.to_numpy(dtype=float, na_value=np.nan)
    with pytest.warns(UserWarning, match="feature names"):
        expected = density.score_samples(array)
    np.testing.assert_array_equal(density.score_samples(frame), expected)
    assert np.isfinite(density.impute(frame, random_state=0)).all()


def test_the_default_refuses_missing_values(holes):
    with pytest.raises(InvalidDataError, match="NaN"):
        FlowDensity().fit(holes)
    density = DENSITIES["flow"](missing=None).fit(moons())
    for method in (density.score_samples, density.score, density.transform, density.fit):
        with pytest.raises(InvalidDataError, match="NaN"):
            method(holes)
    for method in (density.score_marginal, density.impute):
        with pytest.raises(InvalidDataError, match="infinity"):
            method(np.full((1, 2), np.inf))


def test_columns_without_values_and_infinities_are_named(holes):
    frame = pd.DataFrame({"age": holes[:, 0], "height": np.nan, "weight": holes[:, 1]})
    with pytest.raises(InvalidDataError, match=r"column\(s\) height hold no value"):
        DENSITIES["flow"]().fit(frame)
    frame["height"] = np.inf
    with pytest.raises(InvalidDataError, match=r"infinity in column\(s\) height"):
        DENSITIES["flow"]().fit(frame)
    with pytest.raises(InvalidDataError, match="only 1 row"):
        DENSITIES["flow"]().fit([[1.0, 2.0], [np.nan, np.nan], [np.nan, np.nan]])


def test_a_column_of_one_known_value_is_constant(holes):
    X = np.column_stack([holes, np.full(len(holes), np.nan)])
    X[5] = [50.0, 0.0, 7.0]
    with pytest.warns(ConstantColumnWarning, match=r"column\(s\) 2 hold"):
        density = DENSITIES["flow"]().fit(X)
    filled = density.impute(X, random_state=0)
    assert (filled[:, 2] == 7.0).all()


@pytest.mark.parametrize("kind", [FractalFlowDensity, RGFlowDensity])
def test_images_are_refused_with_the_reason(kind):
    images = np.random.default_rng(0).uniform(size=(50, 4, 4))
    with pytest.raises(InvalidParameterError, match="inpaint"):
        kind(image_shape=(4, 4), missing="marginalize", max_epochs=1).fit(images)


def test_counts_must_be_known():
    counts = np.random.default_rng(0).poisson(3.0, size=(80, 4)).astype(float)
    density = FractalFlowDensity(2, documents="counts", missing="marginalize", max_epochs=1)
    with pytest.raises(InvalidParameterError, match="needs all counts known"):
        density.fit(with_holes(counts))


def test_other_methods_refuse_incomplete_rows(holes):
    density = DENSITIES["fractal"](max_epochs=1).fit(holes)
    for method in (density.log_det_tree, lambda X: density.interpolate(X, X)):
        with pytest.raises(InvalidDataError, match="NaN"):
            method(holes)


def test_a_failed_fit_leaves_the_estimator_as_it_was(fitted, holes):
    density = pickle.loads(pickle.dumps(fitted))
    before = dict(vars(density))
    wrong = holes.copy()
    wrong[:, 1] = np.nan
    with pytest.raises(InvalidDataError):
        density.fit(wrong)
    assert vars(density).keys() == before.keys()
    assert all(vars(density)[name] is value for name, value in before.items())


@pytest.mark.parametrize("n", [1, 0, 2.5, "many"])
def test_impossible_numbers_of_draws(fitted, n):
    with pytest.raises(InvalidDataError, match="n_draws"):
        fitted.score_marginal(moons(3), n_draws=n)
    if n in (0, 2.5):
        with pytest.raises(InvalidDataError, match="n_draws"):
            fitted.impute(moons(3), n_draws=n)


def test_tags_tell_whether_missing_values_are_taken():
    assert DENSITIES["flow"]().__sklearn_tags__().input_tags.allow_nan is True
    assert FlowDensity().__sklearn_tags__().input_tags.allow_nan is False
    assert PHVAE().__sklearn_tags__().input_tags.allow_nan is False


@parametrize_with_checks(
    [DENSITIES["flow"](max_epochs=2)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [DENSITIES[name](max_epochs=2) for name in ("fractal", "rg")],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_checks_of_other_densities(estimator, check):
    check(estimator)

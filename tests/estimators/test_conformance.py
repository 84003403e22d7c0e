"""scikit-learn's own checks, those it runs for third parties and those it keeps to itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from ..table import DETECTORS, ESTIMATORS, TRANSFORMERS

# Mini-batches see a repeated row twice and a weighted row once; scikit-learn excuses 31 of its
# own classes from this check.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "mini-batches draw rows, not weights"
}

WITHOUT_WEIGHTS = dict.fromkeys(
    [
        "check_sample_weights_pandas_series",
        "check_sample_weights_not_an_array",
        "check_sample_weights_list",
        "check_sample_weights_shape",
        "check_sample_weights_not_overwritten",
        "check_sample_weight_equivalence_on_dense_data",
    ],
    "a mixture takes no weights",
)


# What scikit-learn checks is the same for all constructors of a class: the slow tests check every
# one, the others the first of its class and those that are fitted or stored in other ways.
OTHER_WAYS = ("kernel", "float64", "rg_lifting_topic")
FIRST_OF_CLASS = {type(build()): name for name, build in reversed(ESTIMATORS.items())}.values()
SOME = {name: ESTIMATORS[name] for name in ESTIMATORS if name in {*FIRST_OF_CLASS, *OTHER_WAYS}}
OTHERS = {name: build for name, build in ESTIMATORS.items() if name not in SOME}


def expected_failures_of_detector(detector):
    """Those of its densities."""
    if isinstance(detector.density, KernelDensity):
        return {}
    return WITHOUT_WEIGHTS if isinstance(detector.density, GaussianMixture) else EXPECTED_FAILURES


# scikit-learn calls these for its own estimators only.
BY_HAND = [
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_set_output_transform_polars,
    checks.check_global_output_transform_pandas,
    checks.check_global_set_output_transform_polars,
    checks.check_param_validation,
    checks.check_dataframe_column_names_consistency,
    checks.check_inplace_ensure_writeable,
]


# Those of them that concern more than transformers.
BY_HAND_FOR_DETECTORS = [
    checks.check_param_validation,
    checks.check_dataframe_column_names_consistency,
    checks.check_inplace_ensure_writeable,
]


@parametrize_with_checks(
    [build(max_epochs=1) for build in SOME.values()],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Rows from which topics of words can hardly be found, or in other types.
@pytest.mark.parametrize(
    "check",
    [
        checks.check_fit2d_1sample,
        checks.check_fit2d_1feature,
        checks.check_dtype_object,
        checks.check_estimators_dtypes,
        checks.check_fit_idempotent,
        checks.check_sample_weights_list,
    ],
    ids=lambda check: check.__name__,
)
def test_some_scikit_learn_checks_of_topics_of_words(check):
    check("FractalFlowDensity", ESTIMATORS["fractal_groups"](max_epochs=1))


@pytest.mark.slow
@parametrize_with_checks(
    [build(max_epochs=2) for build in OTHERS.values()],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_checks_of_all_others(estimator, check):
    check(estimator)


def check_by_hand(build, check):
    estimator = build(max_epochs=1)
    check(type(estimator).__name__, estimator)


@pytest.mark.parametrize("check", BY_HAND, ids=lambda check: check.__name__)
@pytest.mark.parametrize("build", SOME.values(), ids=SOME)
def test_checks_that_scikit_learn_calls_only_by_hand(build, check):
    check_by_hand(build, check)


@pytest.mark.slow
@pytest.mark.parametrize("check", BY_HAND, ids=lambda check: check.__name__)
@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
def test_checks_of_all_others_that_scikit_learn_calls_only_by_hand(build, check):
    check_by_hand(build, check)


@parametrize_with_checks(
    [build() for build in DETECTORS.values()],
    expected_failed_checks=expected_failures_of_detector,
)
def test_scikit_learn_checks_of_detectors(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", BY_HAND_FOR_DETECTORS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("build", DETECTORS.values(), ids=DETECTORS)
def test_checks_of_detectors_that_scikit_learn_calls_only_by_hand(build, check):
    check("DensityOutlierDetector", build())


@parametrize_with_checks(
    [build() for build in TRANSFORMERS.values()], expected_failed_checks=lambda estimator: {}
)
def test_scikit_learn_checks_of_transformers(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", BY_HAND, ids=lambda check: check.__name__)
@pytest.mark.parametrize("build", TRANSFORMERS.values(), ids=TRANSFORMERS)
def test_checks_of_transformers_that_scikit_learn_calls_only_by_hand(build, check):
    check("DifferentiableFunctionTransformer", build())


def test_no_check_of_a_transformer_is_skipped():
    results = checks.check_estimator(TRANSFORMERS["function"](), on_skip=None, on_fail=None)
    assert {result["status"] for result in results} == {"passed"}
    assert "check_estimators_nan_inf" not in {result["check_name"] for result in results}
    assert "check_transformer_general" in {result["check_name"] for result in results}


def test_no_check_is_skipped():
    """The environment must hold what the checks need: pandas, polars, SCIPY_ARRAY_API=1."""
    results = checks.check_estimator(
        ESTIMATORS["normal_prior"](max_epochs=1),
        expected_failed_checks=EXPECTED_FAILURES,
        on_skip=None,
        on_fail=None,
    )
    by_status = {status: [] for status in ("passed", "xfail", "skipped", "failed")}
    for result in results:
        by_status[result["status"]].append(result["check_name"])
    assert by_status["skipped"] == by_status["failed"] == []
    assert by_status["xfail"] == list(EXPECTED_FAILURES)
    assert len(by_status["passed"]) >= 47


def test_no_check_of_a_detector_is_skipped():
    detector = DETECTORS["kernels"]()
    results = checks.check_estimator(detector, on_skip=None, on_fail=None)
    assert {result["status"] for result in results} == {"passed"}
    assert "check_outliers_train" in {result["check_name"] for result in results}
    assert detector.__sklearn_tags__().estimator_type == "outlier_detector"


def test_is_a_density_estimator_and_a_transformer():
    tags = ESTIMATORS["default"]().__sklearn_tags__()
    assert tags.estimator_type == "density_estimator"
    assert set(tags.transformer_tags.preserves_dtype) == {"float64", "float32"}
    assert np.all([tags.target_tags.required is False, tags.array_api_support is False])

"""scikit-learn's own checks of a transformer."""

from __future__ import annotations

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from .examples import imputer, trees_of_few_rows

# scikit-learn calls these for its own estimators only.
BY_HAND = [
    checks.check_param_validation,
    checks.check_dataframe_column_names_consistency,
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_global_output_transform_pandas,
    checks.check_set_output_transform_polars,
    checks.check_global_set_output_transform_polars,
]
# Of these, the ones by which frames reach both densities; the others change the output alone.
ON_TREES = [
    checks.check_dataframe_column_names_consistency,
    checks.check_set_output_transform_pandas,
]


@pytest.fixture(autouse=True, scope="module")
def forests():
    with trees_of_few_rows():
        yield


@parametrize_with_checks([imputer(), imputer(with_trees=True)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", BY_HAND, ids=lambda check: check.__name__)
def test_checks_that_scikit_learn_calls_only_by_hand(check):
    check("DensityImputer", imputer())


@pytest.mark.parametrize("check", ON_TREES, ids=lambda check: check.__name__)
def test_those_that_fill_frames_with_trees(check):
    check("DensityImputer", imputer(with_trees=True))

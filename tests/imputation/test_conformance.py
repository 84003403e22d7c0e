"""scikit-learn's own checks of a transformer."""

from __future__ import annotations

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit.imputation import _forest

from .examples import imputer

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


@pytest.fixture(autouse=True)
def small_forests(monkeypatch):
    monkeypatch.setattr(_forest, "_N_TREES", 4)


@parametrize_with_checks([imputer(), imputer(with_trees=True)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", BY_HAND, ids=lambda check: check.__name__)
@pytest.mark.parametrize("with_trees", [False, True], ids=["alone", "trees"])
def test_checks_that_scikit_learn_calls_only_by_hand(check, with_trees):
    check("DensityImputer", imputer(with_trees=with_trees))

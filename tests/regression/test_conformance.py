"""scikit-learn's own checks of a regressor."""

from __future__ import annotations

import pytest
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit import ConditionalFlow

SMALL = {"start": "ridge", "max_epochs": 1, "hidden_units": 4, "n_transforms": 1}
# Mini-batches see a repeated row twice and a weighted row once.
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": "mini-batches draw rows, not weights"
}
# scikit-learn calls these for its own estimators only.
BY_HAND = [
    checks.check_param_validation,
    checks.check_dataframe_column_names_consistency,
    checks.check_inplace_ensure_writeable,
]


@parametrize_with_checks(
    [ConditionalFlow(**SMALL)], expected_failed_checks=lambda estimator: EXPECTED_FAILURES
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", BY_HAND, ids=lambda check: check.__name__)
def test_checks_that_scikit_learn_calls_only_by_hand(check):
    check("ConditionalFlow", ConditionalFlow(**SMALL))


def test_is_a_regressor_of_several_targets():
    tags = ConditionalFlow().__sklearn_tags__()
    assert tags.estimator_type == "regressor"
    assert tags.target_tags.required
    assert tags.target_tags.multi_output

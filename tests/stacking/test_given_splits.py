"""Splits of a user's own: what is no split is told by its number."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from flowkit.exceptions import ConstraintError, InvalidDataError, InvalidParameterError

from .examples import rows, stack

X = rows(30)
GOOD = (np.arange(20), np.arange(20, 30))
NOT_ONES = {
    "stratified": (StratifiedKFold(), r"cv=StratifiedKFold.*missing.*neither y nor groups"),
    "grouped": (GroupKFold(), r"cv=GroupKFold.*'groups'.*list\(GroupKFold"),
    "too_many": (KFold(500), r"cv=KFold\(n_splits=500.*no splits of 30 rows: Cannot have"),
    "none": ([], "gives no split, expected at least one"),
    "nothing_held_out": ([([0, 1], [])], "split 0 of cv is no split of 30 rows: the hold-out is"),
    "no_training": ([GOOD, ([], [0, 1])], "split 1 of cv .* the training is empty"),
    "beyond": ([GOOD, GOOD, ([0, 30], [1])], r"split 2 of cv .* index 30 .* from 0 to 29"),
    "short_mask": ([(np.ones(5, bool), [1])], "split 0 of cv .* boolean"),
    "fractions": ([([0.5, 1.0], [2])], "split 0 of cv .* integer"),
    "three": ([(*GOOD, [0])], "split 0 of cv .* it has 3 parts"),
    "positions": ([0, 1, 2], "split 0 of cv .* not iterable"),
    "table": ([([[0, 1]], [2])], r"split 0 of cv .* the training is of shape \(1, 2\), not"),
}


@pytest.mark.parametrize(("cv", "message"), NOT_ONES.values(), ids=NOT_ONES)
def test_what_is_no_split_is_refused(cv, message):
    density = stack(cv=cv)
    with pytest.raises(InvalidParameterError, match=message):
        density.fit(X)
    assert not hasattr(density, "weights_")


def test_a_generator_is_used_once_and_then_asks_for_a_list():
    density = stack(cv=KFold(3).split(X)).fit(X)
    np.testing.assert_array_equal(density.held_out_, np.arange(len(X)))
    np.testing.assert_array_equal(density.weights_, stack(cv=KFold(3)).fit(X).weights_)
    with pytest.raises(InvalidParameterError, match=r"cv=<generator.*give a list"):
        density.fit(X)


def test_splits_train_on_rows_of_positive_weight():
    weight = np.where(np.arange(30) < 20, 0.0, 1.0)
    given = [member for member in stack().estimators if member[0] != "mixture"]
    with pytest.raises(InvalidDataError, match="split 0 of cv trains on no row"):
        stack(given, cv=[GOOD]).fit(X, sample_weight=weight)


def test_no_number_of_processes_is_zero():
    with pytest.raises(ConstraintError, match="'n_jobs' parameter"):
        stack(n_jobs=0).fit(X)

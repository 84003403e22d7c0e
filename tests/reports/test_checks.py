"""Each check finds what it is for, and nothing where nothing is."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import PowerTransformer, StandardScaler

from flowkit import TableDensity, TransformedDensity
from flowkit.exceptions import LostMassWarning
from flowkit.reports.checks import CHECKS, FOUND, NOT_CHECKED, PASSED, SEVERITIES

from .examples import (
    Impossible,
    Invertible,
    OffByMuch,
    Trained,
    Wide,
    evidence_of,
    kernels,
    normal_rows,
)

BY_NUMBER = {check.number: check for check in CHECKS}


def gaussian():
    return GaussianMixture(random_state=0)


def with_spike():
    X = normal_rows()
    X[:90, 1] = 0.25
    return X


def with_codes():
    X = normal_rows()
    X[:6, 1] = -999.0
    return X


def with_index():
    return np.column_stack([normal_rows(), np.arange(300.0)])


def with_names():
    X = normal_rows(d=2)
    return pd.DataFrame({"a": X[:, 0], "name": [f"customer {i}" for i in range(len(X))]})


def with_even_columns():
    """All but the first column are as likely everywhere, nearly."""
    X = normal_rows(500)
    X[:, 1:] = np.sign(X[:, 1:] - np.median(X[:, 1:], axis=0)) + 0.001 * X[:, 1:]
    return X


def rising(n, gain):
    return np.linspace(0.0, gain, n + 1)


def settled(n):
    return np.where(np.arange(n + 1) < 5, np.arange(n + 1) / 5, 1.0) - np.arange(n + 1) * 1e-4


# Of each check a case that it finds and one that it passes.
CASES = {
    "R1": [
        (FOUND, lambda: evidence_of(kernels(0.05), normal_rows())),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows())),
    ],
    "R2": [
        (FOUND, lambda: evidence_of(Wide(), normal_rows())),
        (FOUND, lambda: evidence_of(Impossible(), normal_rows())),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows())),
    ],
    "R3": [
        (FOUND, lambda: evidence_of(gaussian(), with_spike())),
        (FOUND, lambda: evidence_of(gaussian(), np.c_[normal_rows(), np.ones(300)])),
        (FOUND, lambda: evidence_of(Impossible(), normal_rows())),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows().round(1))),
        (PASSED, lambda: evidence_of(TableDensity(gaussian()), with_spike())),
    ],
    "R4": [
        (FOUND, lambda: evidence_of(OffByMuch(), normal_rows())),
        (PASSED, lambda: evidence_of(Invertible(), normal_rows())),
        (NOT_CHECKED, lambda: evidence_of(gaussian(), normal_rows())),
    ],
    "R5": [
        (FOUND, lambda: evidence_of(gaussian(), normal_rows(80))),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows(600))),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows(), X_test=normal_rows(seed=1))),
        (NOT_CHECKED, lambda: evidence_of(gaussian(), normal_rows(), refit=False)),
        (NOT_CHECKED, lambda: evidence_of(gaussian(), normal_rows(12))),
    ],
    "R6": [
        (FOUND, lambda: evidence_of(Trained(rising(40, 3.0)), normal_rows())),
        (FOUND, lambda: evidence_of(Trained(rising(2, 0.0)), normal_rows())),
        (PASSED, lambda: evidence_of(Trained(rising(40, 0.1)), normal_rows())),
        (PASSED, lambda: evidence_of(Trained(settled(40)), normal_rows())),
        (NOT_CHECKED, lambda: evidence_of(Trained(np.full(9, np.nan)), normal_rows())),
        (NOT_CHECKED, lambda: evidence_of(gaussian(), normal_rows())),
    ],
    "R7": [
        (FOUND, lambda: evidence_of(gaussian(), with_codes())),
        (FOUND, lambda: evidence_of(gaussian(), with_index())),
        (FOUND, lambda: evidence_of(TableDensity(kernels()), with_names())),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows())),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows().round())),
    ],
    "R8": [
        (FOUND, lambda: evidence_of(gaussian(), with_even_columns())),
        (PASSED, lambda: evidence_of(gaussian(), normal_rows())),
        (NOT_CHECKED, lambda: evidence_of(gaussian(), normal_rows(d=2))),
    ],
    "R9": [
        (FOUND, lambda: evidence_of(Wide(), normal_rows())),
        (
            FOUND,
            lambda: evidence_of(
                TransformedDensity(PowerTransformer(), Wide()), np.exp(normal_rows())
            ),
        ),
        (
            PASSED,
            lambda: evidence_of(TransformedDensity(StandardScaler(), gaussian()), normal_rows()),
        ),
        (NOT_CHECKED, lambda: evidence_of(Trained(settled(9)), normal_rows())),
    ],
}


@pytest.mark.filterwarnings("ignore::flowkit.exceptions.FlowkitWarning")
@pytest.mark.parametrize(
    ("number", "i"), [(number, i) for number, cases in CASES.items() for i in range(len(cases))]
)
def test_checks_find_what_they_are_for(number, i):
    expected, make = CASES[number][i]
    outcome = BY_NUMBER[number].look(make())
    assert outcome.status == expected, outcome.text
    assert outcome.text


def test_every_check_has_cases_of_both_kinds():
    for number in BY_NUMBER:
        assert {FOUND, PASSED} <= {status for status, _ in CASES[number]}, number


def test_what_is_found_is_named():
    outcome = BY_NUMBER["R7"].look(evidence_of(gaussian(), with_codes()))
    assert "x1" in outcome.text
    assert "-999" in outcome.text
    assert "x0" not in outcome.text
    X = with_codes()
    X[9, 0] = -999.0
    outcome = BY_NUMBER["R7"].look(evidence_of(gaussian(), X))
    assert "Column x0 holds -999 too, in 0.3% of the rows." in outcome.text
    lossy = TransformedDensity(PowerTransformer(), Wide())
    with pytest.warns(LostMassWarning):
        outcome = BY_NUMBER["R9"].look(evidence_of(lossy, np.exp(normal_rows())))
    assert "beyond the range of the transformer" in outcome.text
    outcome = BY_NUMBER["R8"].look(evidence_of(gaussian(), with_even_columns()))
    assert "x0" in outcome.text


def test_detectors_are_not_compared():
    evidence = evidence_of(IsolationForest(n_estimators=5, random_state=0), normal_rows())
    assert BY_NUMBER["R2"].look(evidence).status == NOT_CHECKED


def test_numbers_are_in_order_and_pages_explain_them():
    assert [check.number for check in CHECKS] == [f"R{i + 1}" for i in range(len(CHECKS))]
    for check in CHECKS:
        assert check.severity in SEVERITIES
        assert check.explanation.startswith(f"# {check.number}: {check.title}\n")
        assert "**Why it matters.**" in check.explanation
        assert re.search(r"\*\*What to do\.\*\*\n\n- ", check.explanation)

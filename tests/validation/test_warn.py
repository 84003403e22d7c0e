"""Warnings point at the user's line, whatever stands between it and the library."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from flowkit import (
    DifferentiableFunctionTransformer,
    FlowDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit.exceptions import (
    ConstantColumnWarning,
    FlowkitWarning,
    HeavyValueWarning,
    InaccurateScoresWarning,
    LostMassWarning,
    NoHoldOutWarning,
    RareLevelsWarning,
    SlowScoringWarning,
)
from flowkit.tables._scoring_plan import Share, warn_if_inaccurate, warn_if_slow
from flowkit.validation import warn

POSITIVE = np.random.default_rng(0).lognormal(sigma=0.3, size=(300, 1))
WIDE = 3 * np.log(POSITIVE)
NAMES = pd.DataFrame({"name": [f"n{i}" for i in range(300)]})
HEAVY = pd.DataFrame({"x": np.where(np.arange(300) < 90, 0.0, 50 + POSITIVE[:, 0])})
REAL_TABLE = TableDensity(KernelDensity(), kinds={"x": "continuous"})
EXPONENTIAL = TransformedDensity(
    FunctionTransformer(np.exp, np.log, check_inverse=False), GaussianMixture()
)
FLOW = FlowDensity(n_transforms=1, hidden_units=4, max_epochs=1, random_state=0)
CALLS = {
    "constant_column": (ConstantColumnWarning, lambda: FLOW.fit(np.ones((40, 1)))),
    "no_hold_out": (NoHoldOutWarning, lambda: FLOW.fit(POSITIVE[:8])),
    "heavy_value": (HeavyValueWarning, lambda: FLOW.fit(HEAVY)),
    "table_levels": (RareLevelsWarning, lambda: TableDensity(KernelDensity()).fit(NAMES)),
    "table_heavy": (HeavyValueWarning, lambda: REAL_TABLE.fit(HEAVY)),
    "slow": (SlowScoringWarning, lambda: warn_if_slow([Share(np.arange(9**8), 1, None)], 1)),
    "inaccurate": (
        InaccurateScoresWarning,
        lambda: warn_if_inaccurate([Share(np.arange(3), 8, None, 1)], np.ones(3)),
    ),
    "lost_mass": (LostMassWarning, lambda: EXPONENTIAL.fit(WIDE)),
    "in_a_pipeline": (
        LostMassWarning,
        lambda: make_pipeline(FunctionTransformer(), EXPONENTIAL).fit(WIDE),
    ),
    "in_a_search": (
        LostMassWarning,
        lambda: GridSearchCV(EXPONENTIAL, {}, cv=2).fit(WIDE),
    ),
    "inverse": (
        FlowkitWarning,
        lambda: DifferentiableFunctionTransformer(np.exp, np.log1p, np.exp).fit(POSITIVE),
    ),
    "plain": (FlowkitWarning, lambda: warn("look here", FlowkitWarning)),
}


@pytest.mark.parametrize(("category", "call"), CALLS.values(), ids=CALLS)
def test_the_line_is_the_users(category, call):
    with pytest.warns(category) as record:
        call()
    assert {warning.filename for warning in record if warning.category is category} == {__file__}


def test_rows_without_names_are_warned_of_at_the_users_line():
    X = pd.DataFrame(np.hstack([POSITIVE, POSITIVE]), columns=[1990, 2000])
    density = TableDensity(KernelDensity()).fit(X)
    with pytest.warns(UserWarning, match="no column names") as record:
        density.score_samples(X.to_numpy())
    assert [warning.filename for warning in record] == [__file__]


def test_lines_are_silenced_one_by_one():
    """The usual filter shows a warning once a line: the user's, not one that all calls share."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("default")
        for _ in range(2):
            warn("the same", FlowkitWarning)
        warn("the same", FlowkitWarning)
    assert len(record) == 2

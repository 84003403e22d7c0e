"""Warnings of fits point at the user's line."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from flowkit import PHVAE, FlowDensity
from flowkit.exceptions import ConstantColumnWarning, HeavyValueWarning, NoHoldOutWarning

X = np.random.default_rng(0).normal(size=(60, 2))
CASES = {
    "constant": (ConstantColumnWarning, np.column_stack([X, np.ones(60)])),
    "heavy": (HeavyValueWarning, np.where(np.arange(120).reshape(60, 2) < 40, 9_999.0, X)),
    "few": (NoHoldOutWarning, X[:12]),
}


@pytest.mark.parametrize("estimator", [FlowDensity, PHVAE])
@pytest.mark.parametrize(("category", "rows"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_warnings_of_a_fit_point_at_the_line_that_fits(estimator, category, rows, method):
    if category is NoHoldOutWarning and method == "partial_fit":
        pytest.skip("a stream has a hold-out of its own")
    density = estimator(max_epochs=1, hidden_units=8, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(density, method)(rows)
    (found,) = [one for one in caught if one.category is category]
    assert found.filename == __file__

"""Rows with holes, and a density fitted to such rows."""

from __future__ import annotations

import pytest

from flowkit import FlowDensity

from .examples import moons, with_holes


@pytest.fixture(scope="session")
def holes():
    return with_holes(moons())


@pytest.fixture(scope="session")
def fitted():
    return FlowDensity(
        n_transforms=3, hidden_units=32, max_epochs=20, random_state=0, missing="marginalize"
    ).fit(with_holes(moons(600)))

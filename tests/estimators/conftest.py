"""Rows, and a density fitted to them."""

from __future__ import annotations

import pytest

from flowkit import FlowDensity

from .examples import SMALL, correlated


@pytest.fixture(scope="session")
def X():
    return correlated()


@pytest.fixture(scope="session")
def fitted(X):
    return FlowDensity(**SMALL).fit(X)

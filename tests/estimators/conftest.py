"""Rows, and a density fitted to them."""

from __future__ import annotations

from functools import cache

import pytest

from ..table import ESTIMATORS
from .examples import correlated


@pytest.fixture(scope="session")
def X():
    return correlated()


@pytest.fixture(scope="session")
def fits(X):
    """An estimator of the table on these rows, fitted once for all tests that only read it."""
    return cache(lambda build: build().fit(X))


@pytest.fixture
def density(build, fits):
    return fits(build)


@pytest.fixture(scope="session")
def fitted(fits):
    return fits(ESTIMATORS["default"])

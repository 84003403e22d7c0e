"""Rows, and a density fitted to them."""

from __future__ import annotations

import pytest

from ..fitted import FittedOnce
from ..table import ESTIMATORS
from .examples import correlated


@pytest.fixture(scope="session")
def X():
    return correlated()


@pytest.fixture(scope="session")
def fits(X):
    """An estimator of the table on these rows, for all tests that only read it."""
    once = FittedOnce(lambda build: build().fit(X), X[:9])
    yield once
    once.check()


@pytest.fixture
def density(build, fits):
    return fits(build)


@pytest.fixture(scope="session")
def fitted(fits):
    return fits(ESTIMATORS["default"])

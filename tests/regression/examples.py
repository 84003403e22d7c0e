"""Rows with targets, and models fitted to them once."""

from __future__ import annotations

from functools import cache

import numpy as np

from flowkit import ConditionalFlow

SMALL = {"start": "ridge", "max_epochs": 4, "hidden_units": 16, "random_state": 0}


def small(**changes):
    return ConditionalFlow(**{**SMALL, **changes})


def fan(n=240, seed=0):
    """Targets whose spread grows with the first feature and whose tails are heavy."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, 3))
    return X, 5 + 20 * X[:, 1] + 10 * np.exp(X[:, 0]) * rng.standard_t(4, n)


def pair(n=240, seed=0):
    """Two targets that depend on each other beyond what the features tell."""
    X, y = fan(n, seed)
    return X, np.column_stack([y, 0.1 * y + np.random.default_rng(seed + 1).normal(size=n)])


@cache
def fitted(name="one"):
    """Models that tests only read, with their rows."""
    X, Y = pair() if name == "two" else fan()
    changes = {"auto": {"start": "auto"}, "calibrated": {"calibrate": True}}.get(name, {})
    return small(**changes).fit(X, Y), X, Y

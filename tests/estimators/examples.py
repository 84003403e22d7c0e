"""Estimators and rows that several of these tests share."""

from __future__ import annotations

import numpy as np
import pytest

from ..table import ESTIMATORS, WRAPPERS

every_estimator = pytest.mark.parametrize("build", ESTIMATORS.values(), ids=ESTIMATORS)
DENSITIES = {**ESTIMATORS, **WRAPPERS}
every_density = pytest.mark.parametrize("build", DENSITIES.values(), ids=DENSITIES)
every_wrapper = pytest.mark.parametrize("build", WRAPPERS.values(), ids=WRAPPERS)
CLASSES = ("default", "kernel", "fractal", "rg", "phvae")
every_class = pytest.mark.parametrize("build", [ESTIMATORS[name] for name in CLASSES], ids=CLASSES)
SMALL = {"n_transforms": 2, "hidden_units": 16, "max_epochs": 4, "random_state": 0}


def correlated(n=300, d=3, seed=0):
    rng = np.random.default_rng(seed)
    mixing = np.triu(np.ones((d, d)))
    return rng.normal(size=(n, d)) @ mixing * 10.0 ** np.arange(d) + 5.0


# Without topics of words, which take longest to find.
TINY = {
    "n_blocks": 1,
    "hidden_units": 8,
    "max_epochs": 2,
    "lda_backend": None,
    "random_state": 0,
}


def pictures(n, shape, seed=0):
    """Smooth fields of various contrast, saturated at black."""
    rng = np.random.default_rng(seed)
    height, width, channels = (*shape, 1)[:3]
    field = rng.normal(size=(n, height, width, channels)).cumsum(1).cumsum(2)
    field += field[..., :1]
    field *= rng.lognormal(sigma=0.5, size=(n, 1, 1, 1))
    return np.clip(100 + 12 * field, 0, 255).astype(np.uint8).reshape(n, *shape)

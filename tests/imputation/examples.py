"""Imputers and incomplete rows that several of these tests share."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from flowkit import DensityImputer, FlowDensity, TableDensity
from flowkit.imputation import _forest, _pool

# The map mixes no columns but by linear ones, so that draws are exact and quick.
FLOW = {"n_transforms": 0, "max_epochs": 1}
STATISTICS = ("mean", "median", "draw")


def imputer(**options):
    return DensityImputer(
        FlowDensity(**FLOW), **{"random_state": 0, "n_draws": 20, "with_trees": False, **options}
    )


@contextmanager
def trees_of_few_rows():
    """Small forests, also where too few values could be hidden for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pool, "_FEWEST_HIDDEN", 1)
        patch.setattr(_forest, "_N_TREES", 2)
        yield


def table_imputer(**options):
    density = TableDensity(FlowDensity(**FLOW), n_draws=8)
    return DensityImputer(density, **{"random_state": 0, "n_draws": 20, **options})


def numbers(n=120, seed=0):
    """Rows of three correlated columns, of which the last is never missing; and these complete."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 1)) + [0.0, 5.0, 1.0] + 0.1 * rng.normal(size=(n, 3))
    holes = rng.uniform(size=X.shape) < 0.2
    holes[:, 2] = False
    return np.where(holes, np.nan, X), X


def table(n=120, seed=0):
    """A frame with a real, a whole and a text column, categories, and a column without holes."""
    rng = np.random.default_rng(seed)
    size = rng.normal(size=n)
    X = pd.DataFrame(
        {
            "size": size,
            "count": pd.array(np.rint(20 + 5 * size), dtype="Int64"),
            "sign": np.where(size > 0, "plus", "minus").astype(object),
            "level": pd.Categorical(np.where(size > 1, "high", "low")),
            "whole": rng.normal(size=n).astype(np.float32),
        },
        index=np.arange(n)[::-1],
    )
    complete = X.copy()
    for j in range(4):
        X.iloc[rng.uniform(size=n) < 0.2, j] = None
    return X, complete

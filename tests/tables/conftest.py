"""Tables of mixed columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def frame(rng):
    """Columns of every kind and type, of which `weight` depends on `size` and `hour` wraps."""
    n = 300
    size = rng.choice(["S", "M", "L"], p=[0.5, 0.3, 0.2], size=n)
    return pd.DataFrame(
        {
            "size": pd.Categorical(size, categories=["S", "M", "L", "XL"], ordered=True),
            "colour": rng.choice(["red", "green", "blue"], size=n),
            "new": rng.uniform(size=n) < 0.3,
            "age": rng.integers(18, 80, n).astype("int16"),
            "children": pd.array(rng.poisson(1.2, n), dtype="Int64"),
            "weight": rng.lognormal((size == "L") + 0.5 * (size == "M"), 0.3),
            "share": rng.beta(2, 3, n),
            "hour": rng.normal(23.5, 2, n) % 24,
            "score": rng.normal(size=n),
        }
    )


@pytest.fixture
def mixed(rng):
    n = 80
    return pd.DataFrame(
        {
            "a": rng.normal(size=n),
            "size": pd.Categorical(rng.choice(["S", "L"], n, p=[0.8, 0.2])),
            "k": rng.poisson(3, n),
            "b": rng.gamma(2, 1, n),
            "flag": rng.integers(0, 2, n),
        }
    )

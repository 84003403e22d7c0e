"""Models of several makes, fitted once, and their rows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import PHVAE, DensityOutlierDetector, FlowDensity, TableDensity

FRAME = load_iris(as_frame=True).data
X = FRAME.to_numpy()
SMALL = {"n_transforms": 1, "hidden_units": 8, "max_epochs": 2, "random_state": 0}

MODELS = {
    "flow": lambda: FlowDensity(**SMALL),
    "vae": lambda: PHVAE(hidden_units=8, max_epochs=2, random_state=0),
    "detector": lambda: DensityOutlierDetector(FlowDensity(**SMALL)),
    "pipeline": lambda: make_pipeline(StandardScaler(), FlowDensity(**SMALL)),
    "table": lambda: TableDensity(FlowDensity(**SMALL)),
}
METHODS = {
    "flow": ("score_samples", "transform"),
    "vae": ("transform",),
    "detector": ("score_samples", "decision_function", "predict"),
    "pipeline": ("score_samples", "transform"),
    "table": ("score_samples",),
}
CASES = [(model, method) for model, methods in METHODS.items() for method in methods]


@cache
def fitted(name, with_names=False):
    """A model fitted to the rows, with names of columns or without."""
    return MODELS[name]().fit(FRAME if with_names else X)


def assert_same(found, expected):
    """The same numbers and types, to the rounding that other chunks bring."""
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7)


def mixed(n=90):
    """A table of numbers and text, with a key that no model reads."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["a", "b"], n)
    size = rng.normal(size=n) + 3 * (kind == "a")
    return pd.DataFrame({"size": size, "kind": kind, "key": np.arange(n)}, index=np.arange(n) + 7)

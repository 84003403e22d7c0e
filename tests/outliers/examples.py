"""Densities and rows that tests of detectors share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

SMALL = {"n_transforms": 2, "hidden_units": 16, "max_epochs": 3}
KERNEL = {**SMALL, "prior": "kernel", "noise": 0.1, "bandwidth_factor": 0.25}


class Known(BaseEstimator):
    """A density that is given: nothing is fitted."""

    def __init__(self, log_density):
        self.log_density = log_density

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        return self.log_density(X)


def rows(n=200, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def outliers(detector, X):
    return (detector.predict(X) == -1).mean()


def mixed_table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["cat", "dog", "emu"], size=n, p=[0.5, 0.3, 0.2])
    size = rng.normal(size=n) + np.select([kind == "cat", kind == "dog"], [-3.0, 0.0], 3.0)
    frame = pd.DataFrame({"kind": pd.Categorical(kind), "size": size, "tame": kind != "emu"})
    return frame.set_index(np.arange(n) * 10)

"""Fitted estimators of all makes, to save."""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.mixture import BayesianGaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, StandardScaler

from flowkit import DensityOutlierDetector, TableDensity, TransformedDensity
from flowkit import bijections as b
from flowkit import estimators as e
from flowkit import priors as p

from ..table import DETECTORS, ESTIMATORS, FLOWS, STATISTICS, VIEWS, WRAPPERS

X = load_iris().data[::2]
_FEW = {"max_epochs": 1, "random_state": 0}


def _flow(**parameters):
    return e.FlowDensity(**{"n_transforms": 1, "hidden_units": 8, **_FEW, **parameters})


def _frame():
    rng, n = np.random.default_rng(0), 90
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "count": rng.integers(0, 9, n),
            "text": rng.choice(["x", "yy", "zzz"], n),
            "category": pd.Categorical(rng.choice(["low", "high"], n), ordered=True),
            "date": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 40, n), unit="D"),
            "time": pd.Timestamp("2020-01-01", tz="Europe/Berlin")
            + pd.to_timedelta(rng.integers(0, 400, n), unit="h"),
            "flag": rng.choice([True, False], n),
        }
    )
    frame.loc[::7, "number"] = np.nan
    frame.loc[::11, "text"] = None
    return frame


FRAME = _frame()
COMPLETE = FRAME.drop(columns=["date", "time", "text", "number"])
POLARS = pl.DataFrame(
    {
        "number": np.random.default_rng(1).normal(size=len(FRAME)),
        "count": FRAME["count"].to_numpy(),
        "enum": pl.Series(FRAME["category"].tolist(), dtype=pl.Enum(["high", "low"])),
        "category": pl.Series(FRAME["category"].tolist(), dtype=pl.Categorical),
    }
)

# Transforms and a prior of the user's making, of parts of flowkit.
_OWN = [b.ActNorm(4), b.SinhArcsinh(4), b.Permutation(4), b.AffineCoupling(4, hidden_units=8)]


def _scaled(transformer):
    return lambda: TransformedDensity(transformer, _flow())


def _detector(statistic):
    return DensityOutlierDetector(STATISTICS[statistic](max_epochs=1), statistic=statistic)


# By name: how to build it, and what it is fitted to.
OTHERS = {
    "lifting": (lambda: e.FractalFlowDensity(fractal="lifting", image_shape=(2, 2), **_FEW), X),
    "missing": (lambda: FLOWS["default"](missing="marginalize", max_epochs=1), X),
    "own_parts": (lambda: _flow(transforms=_OWN, prior=p.StudentT(4, learnable=True)), X),
    "random_state": (lambda: _flow(random_state=np.random.RandomState(3)), X),
    "generator": (lambda: DETECTORS["kernels"](random_state=np.random.default_rng(3)), X),
    "ball_tree": (
        lambda: make_pipeline(
            StandardScaler(),
            KernelDensity(metric="minkowski", metric_params={"p": 3}, algorithm="ball_tree"),
        ),
        X,
    ),
    "pipeline": (lambda: make_pipeline(StandardScaler(), PCA(2), _flow()), X),
    "one_hot": (
        lambda: make_pipeline(
            OneHotEncoder(min_frequency=2, sparse_output=False),
            KernelDensity(),
        ),
        COMPLETE,
    ),
    "transformed_pipeline": (_scaled(make_pipeline(PowerTransformer(), PCA())), X),
    "transformed_columns": (
        _scaled(ColumnTransformer([("scaled", StandardScaler(), [0, 1]), ("rest", PCA(), [2, 3])])),
        X,
    ),
    "bayesian_mixture": (
        lambda: DensityOutlierDetector(BayesianGaussianMixture(n_components=2)),
        X,
    ),
    "crossed": (lambda: DensityOutlierDetector(KernelDensity(), calibrate="cv", random_state=0), X),
    "default_detector": (lambda: DensityOutlierDetector(random_state=0), FRAME),
    "polars_detector": (lambda: DensityOutlierDetector(random_state=0), POLARS),
    "pandas_table": (lambda: TableDensity(_flow(), random_state=0), COMPLETE),
    "polars_table": (lambda: TableDensity(_flow(), random_state=0), POLARS),
}
_TABLES = {
    **{name: functools.partial(build, max_epochs=1) for name, build in ESTIMATORS.items()},
    **WRAPPERS,
    **DETECTORS,
    **VIEWS,
}
_DETECTORS = {f"detector_by_{name}": (functools.partial(_detector, name), X) for name in STATISTICS}
CASES = {**{name: (build, X) for name, build in _TABLES.items()}, **_DETECTORS, **OTHERS}


def fitted(name):
    """The fitted estimator of a case, and rows to score."""
    build, rows = CASES[name]
    return build().fit(rows), rows

"""Detectors in models of ONNX: the default one, several densities, thresholds and p-values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityOutlierDetector
from flowkit.exceptions import NotExportableError
from flowkit.exchange import to_onnx
from flowkit.exchange._graph import Graph, Value
from flowkit.exchange._reading_nodes import read_table
from flowkit.outliers import DependenceForest, LevelsAsColumns, RankedNeighbors, SingleColumns
from flowkit.outliers.reading import TableReading

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from .models import agree, run

OF_DETECTORS = {"score_samples", "decision_function", "predict"}
_RNG = np.random.default_rng(0)
# Numbers, heavy tails, and whole numbers that repeat; some rows are there twice.
X = _RNG.normal(size=(90, 3))
X[:, 1] = np.exp(2 * X[:, 1])
X[:, 2] = np.round(X[:, 2])
X[80:] = X[:10]
ROWS = np.concatenate([X, 1.3 * X[:40] + 0.1, 30 * X[:40], 1e6 * X[:5], [[1e200, 0.0, 1e-200]]])


def without(rows, share, seed=0):
    return np.where(np.random.default_rng(seed).uniform(size=rows.shape) < share, np.nan, rows)


@pytest.fixture(scope="module")
def default():
    """A default detector of incomplete rows, calibrated."""
    detector = DensityOutlierDetector(calibrate=True, contamination=0.1, random_state=0)
    return detector.fit(without(X, [0.3, 0.1, 0.0]))


def test_the_default_detector(default):
    assert agree(default, ROWS) == OF_DETECTORS | {"p_values"}
    agree(default, ROWS[:7].astype(np.float32), dtype="float32")


def test_missing_values_are_filled_as_the_default_detector_does(default):
    rows = np.concatenate(
        [without(X, [0.3, 0.1, 0.0]), without(X, 0.5, 1), np.full((1, 3), np.nan)]
    )
    agree(default, rows)


def test_infinite_values_have_no_score(default):
    found = run(to_onnx(default), np.array([[np.inf, 1.0, 0.0], [np.nan, -np.inf, 0.0], X[0]]))
    assert np.isnan(found["score_samples"]).tolist() == [True, True, False]
    assert np.isnan(found["p_values"]).tolist() == [True, True, False]
    assert found["predict"][:2].tolist() == [-1, -1]


def test_rows_are_scored_as_if_alone(default):
    model = to_onnx(default)
    together = run(model, ROWS[:20])["score_samples"]
    alone = [run(model, ROWS[i : i + 1])["score_samples"][0] for i in range(3)]
    np.testing.assert_allclose(alone, together[:3], rtol=1e-12)


@pytest.mark.parametrize(
    "view",
    [
        RankedNeighbors(),
        RankedNeighbors(n_neighbors=3, max_rows=40, random_state=0),
        RankedNeighbors(n_neighbors=200, categorical_features=[2]),
        DependenceForest(n_estimators=9, random_state=0),
        SingleColumns(),
        SingleColumns(n_neighbors=200, categorical_features=[1, 2]),
        LevelsAsColumns(KernelDensity(bandwidth=9.0), categorical_features=[2]),
    ],
    ids=lambda view: str(view).split("(")[0],
)
@pytest.mark.parametrize("weight", [None, _RNG.integers(1, 4, size=90) / 3])
def test_views(view, weight):
    rows = ROWS[:90] if isinstance(view, LevelsAsColumns) else ROWS
    agree(view.fit(X, sample_weight=weight), rows)


def test_views_of_a_single_column_and_of_many_levels():
    X = np.random.default_rng(0).integers(40, size=(200, 1)).astype(float)
    rows = np.concatenate([X, X + 0.5, [[-1e9], [1e9]]])
    for view in (DependenceForest(), RankedNeighbors(categorical_features=[0]), SingleColumns()):
        agree(view.fit(X), rows)
    agree(SingleColumns().fit(np.full((5, 1), 3.0)), np.array([[3.0], [3.1], [-1e9]]))


@pytest.mark.parametrize("seed", range(4))
def test_views_of_hostile_columns(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(6, 40))
    X = np.column_stack(
        [np.exp(5 * z[0]), 1e300 * z[1], 1e9 + 1e-5 * z[2], np.round(z[3]), z[4] > 0, 0 * z[5] + 7]
    )[:, rng.permutation(6)[:3]]
    # Each column by itself is known, rows are not.
    mixed = np.column_stack([rng.choice(column, 40) for column in X.T])
    near = np.nextafter(mixed, rng.choice([-np.inf, np.inf], size=mixed.shape))
    rows = np.concatenate([X, mixed, near, -mixed, np.full((1, 3), 1e308), np.zeros((1, 3))])
    agree(DependenceForest(n_estimators=5, random_state=0).fit(X), rows)
    agree(SingleColumns(n_neighbors=1 + seed).fit(X), rows)
    agree(RankedNeighbors(n_neighbors=1 + seed).fit(X), rows)


@pytest.mark.parametrize(
    "detector",
    [
        DensityOutlierDetector([GaussianMixture(2), RankedNeighbors()], n_estimators=2),
        DensityOutlierDetector(GaussianMixture(2), statistic="typicality", calibrate="cv"),
        DensityOutlierDetector(
            make_pipeline(StandardScaler(), GaussianMixture(2)), contamination=0
        ),
    ],
    ids=["several", "typicality", "pipeline"],
)
def test_detectors_of_given_densities(detector):
    detector.set_params(random_state=0).fit(X)
    p_values = {"p_values"} if detector.calibrate else set()
    assert agree(detector, ROWS) == OF_DETECTORS | p_values


def test_detectors_within_others():
    detector = DensityOutlierDetector(GaussianMixture(2, random_state=0)).fit(X)
    assert agree(FrozenEstimator(detector), ROWS) == OF_DETECTORS
    pipeline = make_pipeline(StandardScaler(), detector).fit(X)
    assert agree(pipeline, ROWS) == OF_DETECTORS


def test_what_was_fitted_counts():
    detector = DensityOutlierDetector(GaussianMixture(2, random_state=0)).fit(X)
    detector.set_params(statistic="dose", density=None)
    agree(detector, ROWS)


def test_text_and_other_statistics_are_refused_by_name():
    text = pd.DataFrame({"x": X[:, 0], "colour": np.where(X[:, 2] > 0, "red", "blue")})
    reading = TableReading(text, list(text))
    with pytest.raises(NotExportableError, match="column colour"):
        read_table(reading, Value(Graph(), "X"))
    detector = DensityOutlierDetector(GaussianMixture(2), statistic="dose", random_state=0).fit(X)
    with pytest.raises(NotExportableError, match="dose"):
        to_onnx(detector)

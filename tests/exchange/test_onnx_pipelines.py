"""Pipelines that skl2onnx exports, once converters are registered."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from flowkit import (
    DensityOutlierDetector,
    FlowDensity,
    StackedDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit.exceptions import NotExportableError
from flowkit.exchange import register_onnx_converters
from flowkit.outliers import DependenceForest, SingleColumns

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

from .models import run  # noqa: E402

_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(80, 3))
X[:, 1] = np.exp(2 * X[:, 1])
ROWS = np.concatenate([X, 1.3 * X, 30 * X])


@pytest.mark.parametrize(
    "last",
    [
        FlowDensity(n_transforms=1, hidden_units=8, max_epochs=1, n_components=1, random_state=0),
        TransformedDensity(MinMaxScaler(), GaussianMixture()),
        StackedDensity([("kernels", KernelDensity()), ("mixture", GaussianMixture())]),
        TableDensity(GaussianMixture()),
        DensityOutlierDetector(GaussianMixture(), calibrate=True, contamination=0.2),
        # Trees are operators of another domain.
        DensityOutlierDetector([DependenceForest(n_estimators=5), SingleColumns()]),
    ],
    ids=lambda last: type(last).__name__,
)
def test_pipelines(last):
    register_onnx_converters()
    if "random_state" in last.get_params():
        last.set_params(random_state=0)
    pipeline = make_pipeline(StandardScaler(), last).fit(X)
    model = skl2onnx.to_onnx(pipeline, X[:1])
    found = run(model, ROWS)
    assert "score_samples" in found
    assert ("p_values" in found) == hasattr(last, "calibration_scores_")
    last = pipeline.steps[-1][1]
    rows = pipeline[:-1].transform(ROWS)
    for name, values in found.items():
        expected = getattr(last, name)(rows)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9, err_msg=name)
    assert all(len(values) == 0 for values in run(model, ROWS[:0]).values())


def test_older_operators_are_refused():
    register_onnx_converters()
    density = TransformedDensity(MinMaxScaler(), GaussianMixture()).fit(X)
    with pytest.raises(NotExportableError, match="18"):
        skl2onnx.to_onnx(density, X[:1], target_opset=15)


def test_converters_are_replaced_only_if_wanted():
    register_onnx_converters()
    register_onnx_converters()
    with pytest.raises(ValueError, match="overwrite"):
        register_onnx_converters(overwrite=False)

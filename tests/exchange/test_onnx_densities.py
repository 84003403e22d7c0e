"""Densities of any kind in models of ONNX: classical ones, wrappers, topics and tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from flowkit import (
    DifferentiableFunctionTransformer,
    FlowDensity,
    FractalFlowDensity,
    StackedDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit.exceptions import NotExportableError
from flowkit.exchange import to_onnx

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from .models import agree, run

_RNG = np.random.default_rng(0)
# A column of any numbers, one of positive ones, one of whole ones.
X = _RNG.normal(size=(120, 3))
X[:, 1] = np.exp(X[:, 1])
X[:, 2] = np.round(3 * X[:, 2])
ROWS = np.concatenate([X, 1.3 * X[:40] + 0.1, 30 * X[:40], [[1e200, 1.0, 0.0]]])


def mixture(**options):
    return GaussianMixture(2, random_state=0, **options)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("kind", [GaussianMixture, BayesianGaussianMixture])
def test_mixtures(kind, covariance_type):
    agree(kind(n_components=2, covariance_type=covariance_type, random_state=0).fit(X), ROWS[:-1])


@pytest.mark.parametrize("weight", [None, np.arange(1.0, 121.0)])
@pytest.mark.parametrize("kernel", ["gaussian", "tophat", "epanechnikov"])
def test_kernels(kernel, weight):
    # Far away, trees of scikit-learn are not exact.
    agree(KernelDensity(kernel=kernel).fit(X, sample_weight=weight), 0.9 * X + 0.01)


@pytest.mark.parametrize("kernel", ["exponential", "linear"])
def test_kernels_of_distances(kernel):
    density = KernelDensity(kernel=kernel, bandwidth=0.5).fit(X)
    np.testing.assert_allclose(
        run(to_onnx(density), X)["score_samples"], density.score_samples(X), rtol=1e-6
    )


TRANSFORMERS = [
    StandardScaler(),
    StandardScaler(with_mean=False),
    MinMaxScaler(),
    MaxAbsScaler(),
    RobustScaler(),
    PowerTransformer(),
    FunctionTransformer(),
    PCA(whiten=True),
    make_pipeline(FrozenEstimator(StandardScaler().fit(X)), PCA()),
    "passthrough",
    ColumnTransformer(
        [("log", FunctionTransformer(np.log1p), [1]), ("scaled", StandardScaler(), [2])],
        remainder="passthrough",
        transformer_weights={"log": -2.0},
    ),
]


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=lambda t: str(t).split("(")[0])
def test_transformed_rows(transformer):
    agree(TransformedDensity(transformer, mixture()).fit(X), ROWS)


@pytest.mark.parametrize(
    "transformer",
    [PowerTransformer("box-cox"), PowerTransformer("box-cox", standardize=False)]
    + [FunctionTransformer(f) for f in (np.log, np.log2, np.log10, np.sqrt, np.exp, np.expm1)],
    ids=lambda t: getattr(getattr(t, "func", None), "__name__", "box-cox"),
)
def test_rows_outside_the_domain_have_no_density(transformer):
    density = TransformedDensity(transformer, mixture()).fit(X[:, 1:2])
    agree(density, np.concatenate([X[:, 1:2], -X[:9, 1:2], [[0.0], [800.0]]]))


def test_stacks():
    flow = FlowDensity(n_transforms=1, hidden_units=8, max_epochs=1, random_state=0)
    members = [("mixture", mixture()), ("kernels", KernelDensity()), ("flow", flow)]
    agree(StackedDensity(members, random_state=0).fit(X), ROWS)


def test_pipelines_are_scored_in_the_units_of_their_last_step():
    agree(make_pipeline(StandardScaler(), PCA(2), mixture()).fit(X), ROWS[:-1])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"n_topics": 1, "n_levels": 0, "tied": True},
        {"n_word_groups": 2, "fractal": "autoregressive", "coupling": "affine"},
    ],
    ids=str,
)
def test_fractal_flows(options):
    rows = np.column_stack([X[:60], X[:60, :2] * X[:60, 1:2]])
    given = {"n_topics": 2, "n_levels": 1, "hidden_units": 8, "max_epochs": 1, "random_state": 0}
    density = FractalFlowDensity(**{**given, **options}).fit(rows)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        # So that nothing is the identity.
        for parameter in density.module_.bijection.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(0.2 * noise)
    agree(density, np.concatenate([rows, 1.3 * rows, 30 * rows]))


def table(**options):
    given = {"kinds": {0: "circular", 1: "bounded", 2: "integer"}, "periods": {0: (-1.0, 7.0)}}
    given["bounds"] = {1: (0, None), 2: (-30, None)}
    return TableDensity(mixture(), random_state=0, **{**given, **options})


@pytest.mark.parametrize(
    ("column", "bounds"),
    [(1, (0, None)), (1, (None, 50)), (1, (0, 50)), (2, (None, 12)), (2, (-12, 12)), (2, None)],
)
def test_bounds(column, bounds):
    rows = X[:, [0, column]]
    density = TableDensity(
        mixture(),
        kinds=["continuous", "bounded" if column == 1 else "integer"],
        bounds=None if bounds is None else {1: bounds},
    ).fit(rows)
    ends = np.array([[0.0, end] for end in bounds or () if end is not None]).reshape(-1, 2)
    agree(density, np.concatenate([rows, 1.5 * rows, -rows, rows + 0.5, ends]))


def test_circular_columns():
    turned = ROWS[:-1] + np.array([7.0, 0.0, 0.0])
    agree(table().fit(X), np.concatenate([ROWS[:-1], turned, X - 40.0]))


@pytest.mark.parametrize(
    ("density", "named"),
    [
        (table(cells="probability"), "column 2, integer with cells='probability'"),
        (table(kinds={2: "categorical"}, periods=None, bounds=None), "column 2, categorical"),
        (KernelDensity(kernel="cosine"), "cosine"),
        (KernelDensity(metric="manhattan"), "manhattan"),
        (TransformedDensity(FunctionTransformer(np.arcsinh), mixture()), "arcsinh"),
        (
            TransformedDensity(
                DifferentiableFunctionTransformer(np.sinh, np.arcsinh, np.cosh), mixture()
            ),
            "DifferentiableFunctionTransformer",
        ),
        (make_pipeline(MinMaxScaler(clip=True), mixture()), "clip"),
        (FractalFlowDensity(prior="normal", conditioner="kan", max_epochs=1), "KAN"),
        (FractalFlowDensity(2, documents="counts", max_epochs=1), "CountTopics"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_has_no_form_is_refused_by_name(density, named):
    density.fit(np.abs(np.round(X)) if "Count" in named else X[:60])
    with pytest.raises(NotExportableError, match=named):
        to_onnx(density)

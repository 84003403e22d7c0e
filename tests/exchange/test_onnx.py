"""Models of ONNX score rows as the estimators do that they are made of."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator

from flowkit import DensityOutlierDetector, FlowDensity
from flowkit import bijections as b
from flowkit.exceptions import (
    InvalidFileError,
    InvalidParameterError,
    NotExportableError,
)
from flowkit.exchange import to_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from .models import agree, run  # noqa: E402

SMALL = {"n_transforms": 2, "hidden_units": 8, "max_epochs": 2, "n_components": 2}
_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(120, 3))
X[:, 1] = np.exp(2 * X[:, 1])
# Rows of training, new ones, and ones far away.
ROWS = np.concatenate([X[:40], 1.3 * X[:40] + 0.1, 30 * X[:40], [[1e200, 0.0, 1.0]]])


def small(**options):
    return FlowDensity(**{**SMALL, "random_state": 0, **options})


@pytest.fixture(scope="module")
def density():
    return small().fit(X)


def without_start(density):
    """With weights at random, so that nothing is the identity."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in density.module_.bijection.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(0.3 * noise)
    return density


@pytest.mark.parametrize(
    "transforms",
    ["spline_coupling", "affine_coupling", "spline_autoregressive", "affine_autoregressive"],
)
def test_named_steps(transforms):
    assert agree(without_start(small(transforms=transforms).fit(X)), ROWS) == {"score_samples"}


@pytest.mark.parametrize("prior", ["normal", "laplace", "student_t", "kernel"])
def test_priors(prior):
    agree(small(prior=prior).fit(np.concatenate([X, X[:3]])), ROWS)


def _bent():
    bent, one = b.Arcsinh(3), torch.ones(3)
    bent.start(-0.5 * one, 0.1 * one, one, 2 * one, torch.tensor([True, False, True]))
    return bent


@pytest.mark.parametrize(
    "bijection",
    [
        b.ActNorm(3),
        b.ElementwiseAffine(3),
        b.ElementwiseSpline(3),
        b.Permutation(3),
        b.LULinear(3),
        b.SplineCoupling(3, reverse=True, hidden_units=8),
        _bent(),
    ],
    ids=lambda bijection: type(bijection).__name__,
)
def test_given_bijections(bijection):
    density = small(transforms=[bijection], prior="normal", max_epochs=1)
    agree(without_start(density.fit(X)), ROWS[:-1])


def test_columns_of_positive_numbers():
    density = small(transforms=[b.Log(1)], prior="normal", standardize=False, max_epochs=1)
    agree(density.fit(X[:, 1:2]), ROWS[:, 1:2])


def test_a_single_column_of_float32():
    density = without_start(small().fit(X[:, :1]))
    agree(density, ROWS[:-1, :1].astype(np.float32), dtype="float32")


def test_shortened_gaps(density):
    density = copy.copy(density)
    gaps = [(0, 5.0, 1e6, 5.0, 7.0, True), (2, -4e5, -5.0, -7.0, -5.0, False)]
    density._columns = replace(density._columns, gaps=gaps)
    between = np.linspace(-5e5, 1.5e6, 50)[:, None] * [1.0, 0.0, 1.0]
    agree(density, np.concatenate([X, between, -between]))


def test_rows_that_are_no_numbers_have_no_score(density):
    model = to_onnx(DensityOutlierDetector(FrozenEstimator(density)).fit(X))
    rows = np.where(np.eye(3, dtype=bool), [np.nan, np.inf, -np.inf], X[:3])
    found = run(model, np.concatenate([rows, X[:1]]))
    assert np.isnan(found["score_samples"]).tolist() == [True, True, True, False]
    assert (found["predict"][:3] == -1).all()
    assert run(model, X[:0])["score_samples"].shape == (0,)


def test_files(density, tmp_path):
    model = to_onnx(density, tmp_path / "rows.onnx")
    assert onnx.load(tmp_path / "rows.onnx") == model
    with pytest.raises(InvalidFileError, match="missing"):
        to_onnx(density, tmp_path / "missing" / "rows.onnx")


@pytest.mark.parametrize(
    ("estimator", "named"),
    [(IsolationForest(), "IsolationForest"), (small(transforms=[b.SinhArcsinh(3)]), "SinhArcsinh")],
    ids=["detector", "bijection"],
)
def test_what_has_no_form_is_refused_by_name(estimator, named):
    estimator.fit(X)
    with pytest.raises(NotExportableError, match=named):
        to_onnx(estimator)


def test_other_types_are_refused(density):
    with pytest.raises(InvalidParameterError, match="int8"):
        to_onnx(density, dtype="int8")

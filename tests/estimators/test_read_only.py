"""Models and rows in memory that must not be written to, as joblib maps files for its workers."""

from __future__ import annotations

import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.utils.validation import has_fit_parameter

from flowkit.exceptions import ConstantColumnWarning, NoHoldOutWarning

from ..table import DETECTORS, ESTIMATORS, FLOWS, WRAPPERS

X = load_iris().data[::2]
MODELS = {
    **ESTIMATORS,
    **DETECTORS,
    **WRAPPERS,
    "missing": lambda **kw: FLOWS["default"](missing="marginalize", **kw),
}
# Methods of one table of rows.
METHODS = (
    "score_samples",
    "transform",
    "predict_proba",
    "predict",
    "explain",
    "impute",
    "log_det_tree",
    "latent_pyramid",
    "elbo",
    "reconstruct",
)


@pytest.fixture
def strict():
    """Every warning is an error, also those that torch gives once only."""
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for expected in (ConstantColumnWarning, NoHoldOutWarning):
            warnings.simplefilter("ignore", expected)
        yield
    torch.set_warn_always(before)


def mapped(value, path):
    """The value from a file that is mapped into memory for reading alone."""
    joblib.dump(value, path)
    return joblib.load(path, mmap_mode="r")


@pytest.mark.parametrize("build", MODELS.values(), ids=MODELS)
def test_read_only_models_and_rows_give_the_same_without_warnings(build, tmp_path, strict):
    options = {"max_epochs": 1} if build in [*ESTIMATORS.values(), MODELS["missing"]] else {}
    model = build(**options)
    rows = mapped(X, tmp_path / "rows")
    assert not rows.flags.writeable
    weights = {}
    fitted = getattr(model, "density", model)
    if has_fit_parameter(fitted, "sample_weight"):
        weights = {"sample_weight": mapped(np.linspace(0.5, 1, len(X)), tmp_path / "weights")}
    model.fit(rows, **weights)
    loaded = mapped(model, tmp_path / "model")
    for name in METHODS:
        if hasattr(loaded, name):
            options = {"random_state": 0} if name == "impute" else {}
            expected = getattr(model, name)(X, **options)
            got = getattr(loaded, name)(rows, **options)
            if name not in ("log_det_tree", "latent_pyramid"):
                np.testing.assert_array_equal(got, expected)
    if hasattr(loaded, "inverse_transform"):
        Z = mapped(loaded.transform(rows), tmp_path / "latent")
        assert loaded.inverse_transform(Z).shape == X.shape
    if hasattr(loaded, "partial_fit"):
        loaded.partial_fit(rows, **weights)
        mapped(loaded, tmp_path / "stream").partial_fit(rows, **weights)
    if hasattr(loaded, "warm_start"):
        loaded.set_params(warm_start=True).fit(rows, **weights)

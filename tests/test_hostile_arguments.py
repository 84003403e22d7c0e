"""Nonsense for the parameters of methods, for paths and for pyramids: an error that says so."""

from __future__ import annotations

import copy
import inspect
import os

import numpy as np
import pytest

import flowkit
from flowkit.exceptions import FlowkitError, InvalidDataError

from .hostile import CLASSES, NONSENSE, answer, arrays_of, fitted, rows_of_size
from .table import DETECTORS, WRAPPERS

ALL = {**CLASSES, **{name: DETECTORS[name] for name in ("kernels", "mixture")}}
ALL |= {name: WRAPPERS[name] for name in ("stacked", "table", "transformed")}
# Rows that other arguments stand beside.
ROWS = ("X", "content", "style", "donors", "other")
# Methods of scikit-learn's own, and those that rows are fitted by.
LEFT_OUT = ("set_params", "get_params", "set_output", "get_metadata_routing", "fit_transform")
LEFT_OUT += ("fit", "partial_fit", "fit_predict", "get_feature_names_out")


def parameters_of_methods():
    """Name of an estimator, of a method, and of a parameter of it, each once."""
    found = {}
    for name, build in ALL.items():
        estimator = build()
        for method in dir(type(estimator)):
            if method.startswith("_") or method in LEFT_OUT or method.endswith("_request"):
                continue
            function = getattr(type(estimator), method)
            for parameter in inspect.signature(function).parameters if callable(function) else ():
                if parameter not in (*ROWS, "y", "sample_weight", "self"):
                    found.setdefault((type(estimator).__name__, method, parameter), name)
    return [(name, method, parameter) for (_, method, parameter), name in found.items()]


def valid(estimator, function):
    """An argument for each parameter that has no default."""
    X = rows_of_size(4)
    known = {
        **dict.fromkeys(ROWS, X),
        "mask": np.eye(3, dtype=bool)[0],
        "level": 0,
        "topic": 0,
        "column": 0,
        "q": 0.5,
        "pyramid": estimator.latent_pyramid(X) if hasattr(estimator, "latent_pyramid") else None,
    }
    parameters = inspect.signature(function).parameters.values()
    return {p.name: known[p.name] for p in parameters if p.default is p.empty and p.name in known}


@pytest.mark.parametrize(("name", "method", "parameter"), parameters_of_methods())
def test_nonsense_for_a_parameter(name, method, parameter):
    estimator = copy.deepcopy(fitted(ALL[name]))
    if not hasattr(estimator, method):
        return
    function = getattr(estimator, method)
    for value in NONSENSE.values():
        out = answer(function, **{**valid(estimator, function), parameter: value})
        unbounded = method in ("explain", "reasons")
        assert unbounded or all(np.isfinite(array).all() for array in arrays_of(out))


PATHS = {
    **{name: NONSENSE[name] for name in ("None", "two", "a half", "no word", "set", "object")},
    **{name: NONSENSE[name] for name in ("NaN", "empty", "mapping", "type", "array")},
    "null": "a\0b",
    "folder": "/",
    "here": ".",
    "missing": "/nonexistent/x/model",
    "file within a file": "/dev/null/model",
    "long": "a" * 5000,
    "deep": "/".join(["d"] * 3000),
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_paths_that_are_none(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    density = fitted(CLASSES["default"])
    for function in (lambda: flowkit.save(density, path), lambda: flowkit.load(path)):
        with pytest.raises(FlowkitError):
            function()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_checkpoints_at_paths_that_are_none(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    density = CLASSES["default"](max_epochs=1, checkpoint=path)
    if path is not None:
        with pytest.raises(FlowkitError):
            density.fit(rows_of_size())


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_estimator_is_not_saved(value, tmp_path):
    with pytest.raises(FlowkitError):
        flowkit.save(value, tmp_path / "model")
    with pytest.raises(FlowkitError):
        flowkit.model_card(value)


@pytest.mark.parametrize(
    "pyramid",
    [[], [[1.0]], [None, None], ["a", "b"], [[["x"]], [[1.0]]], [[[np.nan] * 2], [[0.0]]], 3, None],
    ids=str,
)
def test_pyramids_that_are_none(pyramid):
    with pytest.raises(InvalidDataError):
        fitted(CLASSES["rg"]).inverse_latent_pyramid(pyramid)

"""The package as a whole: what importing costs, which floor imports which, what is documented."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

import flowkit
from flowkit import (
    bijections,
    datasets,
    estimators,
    exceptions,
    inspection,
    modules,
    nets,
    priors,
    topics,
    training,
)

ROOT = Path(flowkit.__file__).parent

# A room may import from those above it in this table, where they are named, and from itself.
BASICS = {"exceptions", "_seeds", "_optional", "_options", "_image_shape"}
FLOORS = {
    "nets": BASICS,
    "bijections": BASICS | {"nets"},
    "priors": BASICS | {"nets"},
    "modules": BASICS | {"nets", "bijections", "priors"},
    "training": BASICS | {"modules"},
    "datasets": BASICS,
    "topics": BASICS,
    "validation": BASICS,
    "columns": BASICS | {"bijections", "training", "validation"},
    "starts": BASICS | {"bijections", "priors", "modules", "topics", "validation", "columns"},
    "missing": BASICS | {"priors", "modules", "training", "validation", "columns", "starts"},
    "nested": BASICS | {"validation"},
}
FLOORS["estimators"] = {*BASICS, *FLOORS}
for room in ("transforms", "tables", "outliers"):
    FLOORS[room] = BASICS | {
        "bijections",
        "modules",
        "validation",
        "columns",
        "nested",
        "estimators",
    }
FLOORS["inspection"] = {*BASICS, *FLOORS}

TORCH_ONLY = ("nets", "bijections", "priors", "modules")


def imports_of(path):
    """Top-level names of the package and of others that a module imports."""
    depth = len(path.relative_to(ROOT).parts)
    own, others = set(), set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth and node.module:
            own.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
    return own, others


@pytest.mark.parametrize("floor", FLOORS)
def test_dependencies_point_downward(floor):
    for path in (ROOT / floor).glob("*.py"):
        own, others = imports_of(path)
        assert own <= FLOORS[floor], path
        if floor in TORCH_ONLY:
            assert not others & {"sklearn", "skorch", "scipy"}, path
        if floor != "training":
            assert "skorch" not in others, path


def test_importing_is_cheap_in_dependencies():
    code = (
        "import sys, flowkit, flowkit.inspection, flowkit.topics, flowkit.datasets;"
        "print([m for m in ('gensim', 'matplotlib', 'dask', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_leaves_global_state_alone():
    code = (
        "import numpy as np, torch, warnings;"
        "import skorch, sklearn.mixture;"
        "state = lambda: (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(),"
        " torch.get_default_dtype(), torch.get_num_threads(), list(warnings.filters));"
        "before = state(); import flowkit; print(before == state())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_package_is_typed_and_versioned():
    assert resources.files("flowkit").joinpath("py.typed").is_file()
    assert flowkit.__version__.count(".") == 2


@pytest.mark.parametrize(
    "module",
    [
        flowkit,
        bijections,
        datasets,
        estimators,
        exceptions,
        inspection,
        modules,
        nets,
        priors,
        topics,
        training,
    ],
    ids=lambda module: module.__name__,
)
def test_every_public_name_exists_and_is_documented(module):
    for name in module.__all__:
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or inspect.isfunction(thing)):
            continue
        text = inspect.getdoc(thing)
        assert text, name
        own_init = inspect.isclass(thing) and "__init__" in vars(thing)
        if (own_init or inspect.isfunction(thing)) and not issubclass_of_exception(thing):
            assert "Parameters" in text or "Subclasses implement" in text, name


def issubclass_of_exception(thing):
    return inspect.isclass(thing) and issubclass(thing, BaseException)


def test_every_parameter_of_an_estimator_is_documented_and_constrained():
    for name in set(flowkit.__all__) & set(estimators.__all__):
        estimator = getattr(estimators, name)
        text = inspect.getdoc(estimator)
        for parameter in inspect.signature(estimator).parameters:
            assert f"\n{parameter} : " in text or f"\n{parameter}, " in text, parameter
            assert parameter in estimator._parameter_constraints, parameter

"""The package as a whole: its rooms and their files, what importing costs, what is documented."""

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
    distributed,
    estimators,
    exceptions,
    exchange,
    files,
    imputation,
    inspection,
    modules,
    nets,
    outliers,
    priors,
    regression,
    reports,
    topics,
    training,
)

ROOT = Path(flowkit.__file__).parent
TESTS = Path(__file__).parent
MAX_LINES = 500

# A room may import from those above it in this table, where they are named, and from itself.
BASICS = {
    "exceptions",
    "_seeds",
    "_optional",
    "_options",
    "_replacing",
    "_image_shape",
    "_compiled",
    "_once_differentiable",
}
FLOORS = {
    "nets": BASICS,
    "bijections": BASICS | {"nets"},
    "priors": BASICS | {"nets"},
    "modules": BASICS | {"nets", "bijections", "priors"},
    "training": BASICS | {"modules", "nets"},
    "datasets": BASICS,
    "topics": BASICS,
    "validation": BASICS,
    "columns": BASICS | {"bijections", "training", "validation"},
    "starts": BASICS | {"bijections", "priors", "modules", "topics", "validation", "columns"},
    "missing": BASICS | {"priors", "modules", "training", "validation", "columns", "starts"},
    "streams": BASICS | {"validation"},
    "nested": BASICS | {"validation", "streams"},
}
FLOORS["conditions"] = BASICS | {
    "bijections",
    "priors",
    "modules",
    "validation",
    "columns",
    "missing",
    "nested",
}
FLOORS["estimators"] = {*BASICS, *FLOORS}
FLOORS["stacking"] = BASICS | {"validation", "nested", "conditions", "estimators"}
FLOORS["outliers"] = BASICS | {"validation", "columns", "nested", "estimators"}
for room in ("transforms", "tables"):
    FLOORS[room] = BASICS | {
        "bijections",
        "modules",
        "validation",
        "streams",
        "columns",
        "missing",
        "nested",
        "conditions",
        "estimators",
    }
FLOORS["regression"] = BASICS | {
    "bijections",
    "priors",
    "modules",
    "training",
    "validation",
    "streams",
    "columns",
    "starts",
    "nested",
    "estimators",
}
FLOORS["imputation"] = BASICS | {
    "validation",
    "nested",
    "conditions",
    "estimators",
    "tables",
}
FLOORS["files"] = BASICS | {"validation", "estimators"}
FLOORS["distributed"] = BASICS | {"training", "files"}
FLOORS["exchange"] = BASICS | {
    "nets",
    "bijections",
    "priors",
    "modules",
    "validation",
    "estimators",
    "stacking",
    "transforms",
    "tables",
    "outliers",
}
FLOORS["inspection"] = {*BASICS, *FLOORS}
FLOORS["reports"] = {*BASICS, *FLOORS}
FLOORS["demo"] = {*BASICS, *FLOORS}
FLOORS["cli"] = {*BASICS, *FLOORS}

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
    for path in (ROOT / floor).rglob("*.py"):
        own, others = imports_of(path)
        assert own <= FLOORS[floor], path
        if floor in TORCH_ONLY:
            assert not others & {"sklearn", "skorch", "scipy"}, path
        if floor != "training":
            assert "skorch" not in others, path


def rooms_of(folder):
    return {path.parent.name for path in folder.glob("*/__init__.py")}


def test_every_room_stands_on_a_floor_and_has_its_tests():
    assert rooms_of(ROOT) == set(FLOORS)
    assert rooms_of(TESTS) == {path.parent.name for path in TESTS.glob("*/*.py")} == set(FLOORS)
    assert all(list((TESTS / room).glob("test_*.py")) for room in FLOORS)


def long_files(folder):
    """Files of more lines than a reader takes in, with their text."""
    texts = {path.relative_to(folder): path.read_text() for path in folder.rglob("*.py")}
    return {path: text for path, text in texts.items() if len(text.splitlines()) > MAX_LINES}


def test_no_test_file_is_long():
    assert not long_files(TESTS), [str(path) for path in long_files(TESTS)]


def documentation(source):
    """Number of lines of docstrings and comments."""
    lines = {i for i, line in enumerate(source.splitlines(), 1) if line.lstrip().startswith("#")}
    for node in ast.walk(ast.parse(source)):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node):
            lines.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_documentation_is_docstrings_and_comments():
    assert documentation('"""One\nand two."""\nx = """no"""\n\n# three\ny = 1  # no\n') == 3


def test_long_modules_are_mostly_documentation():
    mostly_code = [
        str(path)
        for path, text in long_files(ROOT).items()
        if documentation(text) < len(text.splitlines()) / 2
    ]
    assert not mostly_code, mostly_code


def test_rooms_import_public_files_of_other_rooms():
    for path in ROOT.rglob("*.py"):
        depth = len(path.relative_to(ROOT).parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == depth and node.module:
                _, *inner = node.module.split(".")
                assert not any(name.startswith("_") for name in inner), (path, node.module)


def test_importing_leaves_global_state_alone_and_is_cheap_in_dependencies():
    code = (
        "import sys, numpy as np, torch, warnings;"
        "import skorch, sklearn.mixture;"
        "state = lambda: (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(),"
        " torch.get_default_dtype(), torch.get_num_threads(), list(warnings.filters));"
        "before = state(); import flowkit; print(before == state());"
        "import flowkit.inspection, flowkit.topics, flowkit.datasets, flowkit.distributed;"
        "import flowkit.exchange;"
        "names = ('gensim', 'matplotlib', 'dask', 'accelerate', 'PIL', 'numba', 'onnx', 'pyod');"
        "print([m for m in names if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "[]"]


def test_package_is_typed_and_versioned():
    assert resources.files("flowkit").joinpath("py.typed").is_file()
    assert flowkit.__version__.count(".") == 2


@pytest.mark.parametrize(
    "module",
    [
        flowkit,
        bijections,
        datasets,
        distributed,
        estimators,
        exceptions,
        exchange,
        files,
        imputation,
        inspection,
        modules,
        nets,
        outliers,
        priors,
        regression,
        reports,
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
    rooms = (flowkit, estimators, imputation, outliers, regression)
    things = {getattr(room, name) for room in rooms for name in room.__all__}
    estimated = [thing for thing in things if hasattr(thing, "_parameter_constraints")]
    assert len(estimated) > 10
    for estimator in estimated:
        text = inspect.getdoc(estimator)
        for parameter in inspect.signature(estimator).parameters:
            assert f"\n{parameter} : " in text or f"\n{parameter}, " in text, parameter
            assert parameter in estimator._parameter_constraints, parameter

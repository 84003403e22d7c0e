"""Input that no one means well with, and what may come of it: an answer, or an error of flowkit."""

from __future__ import annotations

import datetime
import warnings
from decimal import Decimal
from functools import cache

import numpy as np
import pandas as pd
import polars as pl
import torch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from scipy import sparse

from flowkit.exceptions import FlowkitError

from .table import ESTIMATORS

# The same examples in every run; how long one takes depends on the machine.
_LAST = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    # Explanations would trace every line.
    "phases": (Phase.explicit, Phase.generate, Phase.shrink),
}


def examples(n: int):
    """Settings of a test that tries n examples."""
    return settings(max_examples=n, **_LAST)


_TINY, _LARGEST = np.finfo(float).tiny, np.finfo(float).max
_SIZES = (0.0, 5e-324, _TINY, 1e-300, 1e-160, 1e-20, 1.0, 3.0, 1e5, 1e16, 1e22, 1e39)
SIZES = (*_SIZES, 1e100, 1e153, 1e155, 1e200, 1e300, _LARGEST)

CLASSES = {
    name: ESTIMATORS[name]
    for name in ("default", "kernel", "student_t_prior", "fractal", "rg", "rg_lifting", "phvae")
}


def rows_of_size(n=40, d=3, seed=0):
    """Rows of correlated columns, about as large as one."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ (np.eye(d) + 0.3 * rng.normal(size=(d, d)))


@st.composite
def numbers(draw, d=3):
    """Rows of finite numbers of any size, alone or among usual ones."""
    n = draw(st.integers(1, 6))
    X = rows_of_size(n, d, seed=draw(st.integers(0, 3)))
    sizes = np.array(draw(st.lists(st.sampled_from(SIZES), min_size=n * d, max_size=n * d)))
    where = draw(st.sampled_from(["all", "row", "column", "cell", "none"]))
    chosen = np.zeros((n, d), dtype=bool)
    rows = slice({"all": n, "column": n, "none": 0}.get(where, 1))
    chosen[rows, : 1 if where in ("column", "cell") else d] = True
    signed = np.copysign(sizes.reshape(n, d), X)
    return np.where(chosen, signed, X)


def _frozen(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _frame(names):
    return lambda X: pd.DataFrame(X, columns=names)


# Ways to hold the same three columns of numbers, exactly.
CONTAINERS = {
    "read-only": _frozen,
    "strided": lambda X: np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2],
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "fortran": np.asfortranarray,
    "big-endian": lambda X: X.astype(">f8"),
    "longdouble": lambda X: X.astype(np.longdouble),
    "objects": lambda X: X.astype(object),
    "text": lambda X: np.array([[repr(float(x)) for x in row] for row in X]),
    "list": lambda X: X.tolist(),
    "tensor": torch.from_numpy,
    "ints as names": _frame(range(3)),
    "masked": np.ma.masked_array,
    "Float64": lambda X: pd.DataFrame(X).astype("Float64"),
    "rows of one label": lambda X: pd.DataFrame(X, index=[0] * len(X)),
}

# Names of columns that are kept, and compared.
NAMES = {
    "usual": ["a", "b", "c"],
    "empty": ["", " ", "c"],
    "unicode": ["ü\n", "😀", "\x00"],
    "attributes": ["columns", "shape", "iloc"],
    "tuples": pd.Index([("a", 1), ("b", 2), ("c", 3)], tupleize_cols=False),
    "levels": pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("c", 3)]),
    "mixed": ["a", 1, ("x",)],
    "None": [None, "b", "c"],
    "NaN": [np.nan, "b", "c"],
    "dates": pd.date_range("2020", periods=3),
    "floats": [0.5, 1.5, 2.5],
    "sets": pd.Index([frozenset({k}) for k in range(3)], tupleize_cols=False),
    "repeated": ["a", "a", "b"],
}


def _with(X, value):
    X = X.astype(object)
    X[0, 1] = value
    return X


def _polars(X):
    return pl.DataFrame(X, schema=list("abc"), orient="row")


_DAY = datetime.date(2020, 1, 1)

# What holds no rows of three columns of finite real numbers.
NO_NUMBERS = {
    "nothing": lambda X: None,
    "a number": lambda X: 3.0,
    "text alone": lambda X: "rows",
    "a set": lambda X: {1, 2},
    "a mapping": lambda X: {"a": [1, 2]},
    "a generator": lambda X: (row for row in X.tolist()),
    "ragged": lambda X: [[1, 2, 3], [4]],
    "no rows": lambda X: X[:0],
    "no columns": lambda X: X[:, :0],
    "two columns": lambda X: X[:, :2],
    "one dimension": lambda X: X[:, 0],
    "three dimensions": lambda X: X[:, :, None],
    "NaN": lambda X: np.where(np.eye(*X.shape) > 0, np.nan, X),
    "infinity": lambda X: np.where(np.eye(*X.shape) > 0, np.inf, X),
    "complex": lambda X: X + 1j,
    "complex objects": lambda X: (X + 1j).astype(object),
    "words": lambda X: np.full(X.shape, "a"),
    "bytes": lambda X: np.full(X.shape, b"a"),
    "dates": lambda X: np.full(X.shape, _DAY, dtype="datetime64[s]"),
    "lengths of time": lambda X: np.full(X.shape, 1, dtype="timedelta64[s]"),
    "fields": lambda X: np.zeros(len(X), dtype=[("a", float), ("b", float), ("c", float)]),
    "None within": lambda X: _with(X, None),
    "a dict within": lambda X: _with(X, {}),
    "a list within": lambda X: _with(X, [1, 2]),
    "a huge int within": lambda X: _with(X, 10**400),
    "beyond float64": lambda X: X.astype(np.longdouble) * np.longdouble("1e4000"),
    "a gradient": lambda X: torch.from_numpy(X).requires_grad_(),
    "pandas dates": lambda X: pd.DataFrame(X, columns=list("abc")).assign(b=pd.Timestamp(_DAY)),
    "pandas words": lambda X: pd.DataFrame(X, columns=list("abc")).assign(b="u"),
    "pandas complex": lambda X: pd.DataFrame(X + 1j),
    "pandas NA": lambda X: pd.DataFrame(X).assign(b=pd.NA)[[0, "b", 1]],
    "pandas without columns": lambda X: pd.DataFrame(index=range(3)),
    "polars null": lambda X: _polars(X).with_columns(b=None),
    "polars words": lambda X: _polars(X).with_columns(b=pl.lit("u")),
    "polars lists": lambda X: _polars(X).with_columns(b=pl.Series([[1.0]] * len(X))),
    "polars lazy": lambda X: _polars(X).lazy(),
    "sparse": sparse.csr_matrix,
    "sparse columns": lambda X: pd.DataFrame(X).astype(pd.SparseDtype(float, 0.0)),
}

# What no parameter of a method means, or few.
NONSENSE = {
    "None": None,
    "true": True,
    "minus one": -1,
    "zero": 0,
    "two": 2,
    "a half": 0.5,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "large": 1e22,
    "largest": _LARGEST,
    "tiny": 5e-324,
    "huge int": 10**400,
    "64 bits": 2**63,
    "minus 64 bits": -(2**63),
    "a word": "nonsense",
    "no word": "",
    "bytes": b"a",
    "empty": [],
    "one": [1],
    "ragged": [[1, 2], [3]],
    "strings": ["a", "b"],
    "NaN within": [float("nan")],
    "mapping": {},
    "set": {1},
    "object": object(),
    "array": np.array([1e300, -1e300, 0.0]),
    "complex": 1j,
    "decimal": Decimal(2),
    "date": _DAY,
    "numpy int": np.int64(2),
    "tensor": torch.ones(3),
    "function": len,
    "type": int,
    "module": np,
}


@cache
def fitted(build):
    """An estimator of a table on usual rows, which no test may change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return build(max_epochs=1).fit(rows_of_size())
        except TypeError:
            return build().fit(rows_of_size())


def answer(function, *args, **kwargs):
    """What a function returns; None if it raises an error of flowkit.

    Any other error passes, and so does a warning of numpy's about its own arithmetic.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            return function(*args, **kwargs)
        except FlowkitError:
            return None


def arrays_of(value):
    """All arrays of floats in what a method returns."""
    if isinstance(value, dict):
        return arrays_of(list(value.values()))
    if isinstance(value, list | tuple):
        return [array for part in value for array in arrays_of(part)]
    array = np.asarray(value)
    return [array] if array.dtype.kind == "f" else []

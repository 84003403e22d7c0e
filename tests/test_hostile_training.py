"""Training rows and weights of any kind: a density of numbers, or an error and no trace of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from flowkit.exceptions import InvalidDataError

from .hostile import CLASSES, NO_NUMBERS, SIZES, answer, examples, fitted, rows_of_size
from .table import DETECTORS, ESTIMATORS, VIEWS, WRAPPERS

OTHERS = {
    name: build
    for name, build in {**WRAPPERS, **DETECTORS, **VIEWS}.items()
    if "flow" not in name and name not in ("table_cells", "transformed_mixture")
}
every_class = pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
EVERY = {**CLASSES, **OTHERS}
every_estimator = pytest.mark.parametrize("build", EVERY.values(), ids=EVERY)
# Liftings begin slowly, and are tried by the slow tests.
QUICK = {name: build for name, build in EVERY.items() if name != "rg_lifting"}
QUICK["fractal_groups"] = ESTIMATORS["fractal_groups"]
every_quick_one = pytest.mark.parametrize("build", QUICK.values(), ids=QUICK)

# Kinds of columns, of n rows and about as large as one number.
COLUMNS = {
    "usual": lambda n, rng: rng.normal(size=n),
    "constant": lambda n, rng: np.ones(n),
    "zero": lambda n, rng: np.zeros(n),
    "two values": lambda n, rng: np.arange(n) % 2 - 0.5,
    "one other": lambda n, rng: np.eye(n)[0],
    "whole": lambda n, rng: rng.integers(-9, 9, size=n).astype(float),
    "heavy": lambda n, rng: rng.standard_cauchy(size=n),
    "all sizes": lambda n, rng: np.exp(rng.uniform(-300, 300, size=n)),
    "far from zero": lambda n, rng: 1e12 + rng.normal(size=n),
    "next to each other": lambda n, rng: 1 + np.finfo(float).eps * rng.integers(0, 3, size=n),
}


@st.composite
def tables(draw):
    """Training rows: few or many, of columns of every kind and size, some alike, some repeated."""
    n = draw(st.sampled_from([1, 2, 3, 5, 20, 40]))
    rng = np.random.default_rng(draw(st.integers(0, 5)))
    kinds = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=1, max_size=4))
    sizes = draw(st.lists(st.sampled_from(SIZES), min_size=len(kinds), max_size=len(kinds)))
    with np.errstate(over="ignore"):
        columns = [s * COLUMNS[k](n, rng) for k, s in zip(kinds, sizes, strict=True)]
        X = np.column_stack(columns).clip(-SIZES[-1], SIZES[-1])
    if draw(st.booleans()):
        X = np.column_stack([X, X[:, 0]])
    return X[np.arange(n) % draw(st.sampled_from([n, max(1, n // 4)]))]


def quick(build):
    try:
        return build(max_epochs=1)
    except TypeError:
        return build()


def try_training(build, X, **weight):
    """Fit to rows, and score and draw if that was possible."""
    estimator = quick(build)
    before = dict(vars(estimator))
    if answer(estimator.fit, X.copy(), **weight) is None:
        assert vars(estimator) == before
        return
    kept = X[np.broadcast_to(weight.get("sample_weight", 1.0), len(X)) > 0.0]
    scores = answer(estimator.score_samples, kept)
    assert np.isfinite(scores).all()
    if hasattr(estimator, "sample") and len(X) > 1:
        draws = answer(estimator.sample, 3, random_state=0)
        assert draws is None or np.isfinite(np.asarray(draws, dtype=float)).all()


@every_quick_one
@given(X=tables())
@example(X=rows_of_size() * (SIZES[-1] / 10))
@example(X=rows_of_size() * 5e-324)
@example(X=np.array([[SIZES[-1]], [0.0]]))
@example(X=np.array([[0.0, SIZES[-1]], [0.0, 1e240]]))
@example(X=np.array([[1e203], [SIZES[-1]], [1e107], [SIZES[-1]], [1e150]] * 4))
@example(X=np.zeros((40, 3)))
@example(X=np.array([[1e-323, -0.5], [-1.5e-323, -0.2]]))
@example(X=np.array([[0.0, SIZES[-1] / 3], [0.0, -SIZES[-1]]]))
@examples(3)
def test_tables_of_any_kind(build, X):
    try_training(build, X)


@pytest.mark.slow
@every_estimator
@given(X=tables())
@examples(100)
def test_many_tables_of_any_kind(build, X):
    try_training(build, X)


@pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)
@every_class
def test_what_holds_no_rows_is_not_fitted_to(build, make):
    density, X = quick(build), make(rows_of_size())
    if getattr(X, "shape", None) == (40, 2):
        return
    before = dict(vars(density))
    assert answer(density.fit, X) is None
    assert vars(density) == before


@pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)
@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
def test_what_holds_no_rows_is_not_fitted_to_or_understood(build, make):
    answer(quick(build).fit, make(rows_of_size()))


WEIGHTS = {
    "negative": -np.ones(40),
    "zero": np.zeros(40),
    "one row": np.eye(40)[0],
    "NaN": np.full(40, np.nan),
    "infinity": np.full(40, np.inf),
    "complex": np.ones(40) * 1j,
    "words": ["a"] * 40,
    "None": [None] * 40,
    "a word": "abc",
    "a set": {1},
    "a mapping": {"a": 1},
    "ragged": [[1], [1, 2]],
    "too few": np.ones(3),
    "none": [],
    "two dimensions": np.ones((40, 1)),
    "huge ints": [10**400] * 40,
    "a gradient": torch.ones(40, requires_grad=True),
}
# Those that say something.
ODD_WEIGHTS = {
    "tiny": np.full(40, 1e-320),
    "huge": np.full(40, 1e308),
    "tiny and huge": np.where(np.arange(40) % 2, 1e-300, 1e300),
    "bool": np.arange(40) % 2 == 0,
    "whole": np.arange(40),
    "longdouble": np.ones(40, dtype=np.longdouble),
    "float16": np.ones(40, dtype=np.float16),
    "broadcast": np.broadcast_to(1.0, 40),
    "labelled": pd.Series(np.ones(40), index=range(5, 45)),
}


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("name", ["default", "fractal", "phvae", "mixture", "stacked", "table"])
def test_what_weighs_no_rows_is_refused(name, weight):
    build = {**CLASSES, **OTHERS}[name]
    estimator = quick(build)
    # A mixture of one component can be fitted to one row.
    if name != "mixture" or weight is not WEIGHTS["one row"]:
        with pytest.raises(InvalidDataError):
            estimator.fit(rows_of_size(), sample_weight=weight)
    if hasattr(estimator, "score") and weight is not WEIGHTS["one row"]:
        with pytest.raises(InvalidDataError):
            fitted(build).score(rows_of_size(), sample_weight=weight)


@pytest.mark.parametrize("weight", ODD_WEIGHTS.values(), ids=ODD_WEIGHTS)
@pytest.mark.parametrize("name", ["default", "fractal", "phvae"])
def test_weights_of_any_size(name, weight):
    try_training(CLASSES[name], rows_of_size(), sample_weight=weight)


@pytest.mark.slow
@every_estimator
def test_few_rows_of_many_columns(build):
    try_training(build, rows_of_size(5, 2000))


@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
def test_few_rows_of_more_columns(build):
    try_training(build, rows_of_size(5, 30))

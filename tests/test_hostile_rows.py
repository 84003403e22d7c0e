"""Rows of any size, kind and container: the right answer, or an error that says what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given

from flowkit.exceptions import InvalidDataError

from .hostile import (
    CLASSES,
    CONTAINERS,
    NAMES,
    NO_NUMBERS,
    SIZES,
    answer,
    arrays_of,
    examples,
    fitted,
    numbers,
    rows_of_size,
)
from .table import DETECTORS, VIEWS, WRAPPERS

ALL_OTHERS = {**WRAPPERS, **DETECTORS, **VIEWS}
# Flows within are tried by themselves, and by the slow tests.
OTHERS = {name: build for name, build in ALL_OTHERS.items() if "flow" not in name}
FLOWS = {name: build for name, build in CLASSES.items() if name != "phvae"}
every_class = pytest.mark.parametrize("build", CLASSES.values(), ids=CLASSES)
every_flow = pytest.mark.parametrize("build", FLOWS.values(), ids=FLOWS)
every_other = pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
every_estimator_of_all = pytest.mark.parametrize(
    "build", [*CLASSES.values(), *ALL_OTHERS.values()], ids=[*CLASSES, *ALL_OTHERS]
)
every_estimator = pytest.mark.parametrize(
    "build", [*CLASSES.values(), *OTHERS.values()], ids=[*CLASSES, *OTHERS]
)

# What can be asked of rows alone, or of rows that come in pairs.
OF_ROWS = (
    "score_samples",
    "score",
    "transform",
    "inverse_transform",
    "score_marginal",
    "impute",
    "predict",
    "predict_proba",
    "log_det_tree",
    "score_levels",
    "latent_pyramid",
    "bits_per_dim",
    "elbo",
    "latent_by_order",
    "reconstruct",
    "reconstruction_error",
    "decision_function",
    "explain",
    "reasons",
    "responsibilities",
)
OF_PAIRS = {
    "walk": lambda density, X: density.walk(X, 0, steps=(-1e300, 0, 1)),
    "mix_styles": lambda density, X: density.mix_styles(X, X[::-1], 1),
    "swap_topics": lambda density, X: density.swap_topics(X, X[::-1]),
    "interpolate": lambda density, X: density.interpolate(X, X[::-1], 3),
    "inverse_latent_pyramid": lambda density, X: density.inverse_latent_pyramid(
        [X[:, density.latent_levels_ == level] for level in range(density.n_levels_)]
    ),
    "inpaint": lambda density, X: density.inpaint(X, np.eye(3, dtype=bool)[0], n_steps=2),
}
# Rows without any density have infinitely many bits, and effects, and belong to no member.
UNBOUNDED = ("bits_per_dim", "explain", "reasons")
UNDECIDED = ("responsibilities",)
# Those that may be minus infinity.
SCORES = ("score_samples", "score", "score_marginal", "elbo", "decision_function", "score_levels")


def methods(estimator):
    """Functions of rows that an estimator has, by name."""
    return {
        **{name: getattr(estimator, name) for name in OF_ROWS if hasattr(estimator, name)},
        **{
            name: lambda X, ask=ask: ask(estimator, X)
            for name, ask in OF_PAIRS.items()
            if hasattr(estimator, name)
        },
    }


def check_answer(name, out):
    for array in arrays_of(out):
        assert name in UNDECIDED or not np.isnan(array).any()
        assert name in UNBOUNDED or not (array == np.inf).any()
        assert name in (*UNBOUNDED, *SCORES) or not np.isinf(array).any()


def try_rows(build, X):
    estimator = fitted(build)
    for name, method in methods(estimator).items():
        out = answer(method, X.copy())
        if out is not None:
            check_answer(name, out)


@every_class
@given(X=numbers())
@example(X=rows_of_size(3) * 1e22)
@example(X=np.full((2, 3), SIZES[-1]))
@example(X=np.full((2, 3), -SIZES[-1], dtype=np.float32))
@examples(2)
def test_numbers_of_any_size(build, X):
    try_rows(build, X)


@every_other
@given(X=numbers())
@example(X=np.full((2, 3), SIZES[-1]))
@examples(2)
def test_numbers_of_any_size_around_and_beside_densities(build, X):
    try_rows(build, X)


@pytest.mark.slow
@every_estimator_of_all
@given(X=numbers())
@examples(150)
def test_many_numbers_of_any_size(build, X):
    try_rows(build, X)


@every_class
@given(X=numbers())
@examples(4)
def test_scores_do_not_depend_on_the_rows_beside(build, X):
    density = fitted(build)
    alone = [density.score_samples(row[None])[0] for row in X]
    # Sums in another order differ in the last bits.
    np.testing.assert_allclose(density.score_samples(X), alone, rtol=1e-10)


@every_class
@pytest.mark.parametrize("size", [size for size in SIZES if size > 1e4])
def test_far_rows_are_less_likely_than_any_row_of_training(build, size):
    density = fitted(build)
    lowest = density.score_samples(rows_of_size()).min()
    assert (density.score_samples(size * np.eye(3)) < lowest).all()


@every_flow
@given(X=numbers())
@examples(5)
def test_latents_lead_back_or_are_refused(build, X):
    density = fitted(build)
    latents = answer(density.transform, X)
    back = None if latents is None else answer(density.inverse_transform, latents)
    if back is not None:
        # Rounding is relative to the largest value of a row, which the map mixes with the others.
        size = np.abs(X).max(1, keepdims=True) + 1
        assert (np.abs(back - X) <= 1e-4 * size).all()


@pytest.mark.parametrize("value", [1.7e308, -1.7e308])
@every_class
def test_latents_that_overflow_are_refused_by_row_and_column(build, value):
    X = rows_of_size(5)
    X[3, 1] = value
    density = fitted(build)
    with pytest.raises(InvalidDataError, match=r"latents of row\(s\) 3 overflow.*column\(s\) 1"):
        density.transform(X)


@every_class
def test_latents_that_single_precision_cannot_hold_are_refused(build):
    X = (3e38 * np.sign(rows_of_size(5))).astype(np.float32)
    density, latents = fitted(build), None
    for rows in (X, X.astype(float)):
        latents = answer(density.transform, rows)
        assert latents is None or np.isfinite(latents).all()
        assert latents is None or latents.dtype == rows.dtype


@pytest.mark.parametrize("name", ["default", "student_t_prior", "fractal", "rg"])
def test_draws_that_overflow_name_the_temperature(name):
    with pytest.raises(InvalidDataError, match="lower temperature"):
        fitted(CLASSES[name]).sample(5, random_state=0, temperature=1e308)


@pytest.mark.parametrize("hold", CONTAINERS.values(), ids=CONTAINERS)
@every_estimator
def test_scores_do_not_depend_on_the_container(build, hold):
    X, estimator = rows_of_size(7, seed=1), fitted(build)
    scores = estimator.score_samples(X)
    # Some hold their values in a way that lets no one tell that they are numbers.
    held = answer(estimator.score_samples, hold(X))
    if held is not None:
        np.testing.assert_allclose(held, scores, rtol=1e-12)
    assert held is not None or build not in CLASSES.values()


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float16, np.float32])
@every_estimator
def test_scores_do_not_depend_on_the_type_of_numbers(build, dtype):
    X, estimator = (3 * rows_of_size(7, seed=1)).clip(0, 100).astype(dtype), fitted(build)
    scores = estimator.score_samples(X.astype(float))
    np.testing.assert_allclose(estimator.score_samples(X), scores, rtol=1e-5, atol=1e-4)


# Rows are refused by a class, however it is built: only the slow tests try all constructors.
FIRST_OF_CLASS = {type(build()): name for name, build in reversed(CLASSES.items())}.values()
each_class_once = pytest.mark.parametrize(
    "build",
    [
        pytest.param(build, id=name, marks=() if name in FIRST_OF_CLASS else pytest.mark.slow)
        for name, build in CLASSES.items()
    ],
)


@pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)
@each_class_once
def test_what_holds_no_rows_is_refused_by_every_method(build, make):
    density = fitted(build)
    for name, method in methods(density).items():
        X = make(rows_of_size(7))
        if name in OF_PAIRS and not (isinstance(X, np.ndarray) and X.shape == (7, 3)):
            continue
        may_be_incomplete = name in ("score_marginal", "impute", "inpaint")
        assert answer(method, X) is None or may_be_incomplete, name


@pytest.mark.parametrize("make", NO_NUMBERS.values(), ids=NO_NUMBERS)
@every_other
def test_what_holds_no_rows_is_refused_or_understood(build, make):
    estimator = fitted(build)
    for name, method in methods(estimator).items():
        if name not in OF_PAIRS:
            out = answer(method, make(rows_of_size(7)))
            assert out is None or not any(np.isnan(a).any() for a in arrays_of(out)), name


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("name", ["default", "transformed", "table", "mixture", "stacked"])
def test_odd_names_are_kept_and_compared(name, names):
    build = {**CLASSES, **OTHERS}[name]
    X = pd.DataFrame(rows_of_size(), columns=names)
    estimator = answer(build().fit, X)
    repeated = len(set(map(str, X.columns))) < 3
    # scikit-learn's own densities refuse names of which only some are text.
    mixed = name == "mixture" and len({isinstance(label, str) for label in X.columns}) > 1
    assert (estimator is None) == (repeated or mixed)
    if estimator is None:
        return
    scores = answer(estimator.score_samples, X)
    assert scores is not None
    assert not np.isnan(scores).any()
    assert answer(estimator.score_samples, X.iloc[:, ::-1]) is None

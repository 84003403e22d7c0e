"""What cannot be asked is refused with the reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import StandardScaler

from flowkit import FlowDensity, FractalFlowDensity, TransformedDensity
from flowkit.bijections import LULinear
from flowkit.conditions import questions_of
from flowkit.exceptions import (
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
    UnknownNameError,
)

from .examples import QUICK, linear

X = np.zeros((2, 3))
REFUSED = {
    "all_scored": (lambda d: d.score_samples(X, given=[0, 1, 2]), InvalidParameterError, "all"),
    "all_drawn": (lambda d: d.sample(given=X), InvalidParameterError, "all columns"),
    "unknown": (lambda d: d.score_samples(X, given=[5]), UnknownNameError, "column 5"),
    "twice": (lambda d: d.marginal([1, 1]), InvalidParameterError, "twice"),
    "none": (lambda d: d.marginal([]), InvalidParameterError, "at least one"),
    "temperature": (
        lambda d: d.sample(given={0: 1.0}, temperature=0.5),
        InvalidParameterError,
        "temperature",
    ),
    "temperatures": (
        lambda d: d.sample(given={0: 1.0}, temperature=np.ones(2)),
        InvalidDataError,
        "temperature must be a non-negative number",
    ),
    "nested": (lambda d: d.marginal((["a"], 0)), InvalidParameterError, r"names a column \['a'\]"),
    "arrays": (lambda d: d.marginal(X[:, :2]), InvalidParameterError, "columns names a column"),
    "no_rows": (
        lambda d: d.marginal([0]).score_samples({0: 1.0}),
        InvalidDataError,
        "at least 1 dimension",
    ),
    "text": (lambda d: d.cdf([["a", 0, 0]], 0), InvalidDataError, "X holds 'a' for column 0"),
    "text_given": (lambda d: d.sample(given={0: "a"}), InvalidDataError, "given holds 'a'"),
    "name_given": (lambda d: d.sample(given="age"), InvalidDataError, "given must be a dict"),
    "values_scored": (
        lambda d: d.score_samples(X, given={0: 1.0}),
        InvalidParameterError,
        "values are those of the rows",
    ),
    "both": (lambda d: d.cdf(X, 0, given=0), InvalidParameterError, "both asked for and given"),
    "given": (lambda d: d.quantile(0.5, 0, given={0: 1}), InvalidParameterError, "no quantiles"),
    "level": (lambda d: d.quantile(1.0, 0), InvalidDataError, "between 0 and 1"),
    "width": (lambda d: d.sample(given=np.zeros((2, 2))), InvalidDataError, r"\(n, 3\)"),
    "missing": (lambda d: d.cdf(X + np.nan, 0), InvalidDataError, "X lacks values of column 0"),
    "far": (lambda d: d.sample(given={0: 1e200}), OutsideSupportError, "row 0"),
    "empty": (lambda d: d.sample(given=np.zeros((0, 3))), InvalidDataError, "no rows"),
}


@pytest.mark.parametrize(("ask", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_impossible_questions_are_refused(ask, error, message):
    with pytest.raises(error, match=message):
        ask(linear())


def test_names_are_those_of_the_frame():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["age", "income"])
    density = FlowDensity([LULinear(2)], prior="normal", **QUICK).fit(frame)
    by_name = density.score_samples(frame, given="age")
    np.testing.assert_array_equal(by_name, density.score_samples(frame, given=[0]))
    assert (density.sample(2, given={"income": 0.5})[:, 1] == 0.5).all()
    with pytest.raises(InvalidParameterError, match="given names column 'age' twice"):
        density.sample(given={"age": 1.0, 0: 2.0})
    with pytest.raises(UnknownNameError, match="Did you mean 'income'"):
        density.quantile(0.5, "incom")
    marginal = density.marginal("income")
    assert list(marginal.feature_names_in_) == ["income"]
    assert marginal.score(frame[["income"]]) == pytest.approx(
        marginal.score_samples(frame[["income"]]).mean()
    )
    with pytest.raises(UnknownNameError, match="age"):
        marginal.score_samples(frame)
    with pytest.raises(InvalidDataError, match="lacks values of column income"):
        density.cdf(frame[["age"]], "income")
    assert clone(marginal) is marginal
    assert marginal.fit() is marginal


@pytest.mark.parametrize("frozen", [False, True])
def test_kernels_that_cannot_be_drawn_are_refused_behind_transformers(frozen):
    kernels = KernelDensity(kernel="exponential").fit(X)
    density = TransformedDensity(StandardScaler(), FrozenEstimator(kernels) if frozen else kernels)
    density.fit(np.random.default_rng(0).normal(size=(20, 3)))
    for ask in (
        lambda: density.quantile(0.5, 0),
        lambda: density.score_samples(X, given=[0]),
        lambda: density.sample(),
    ):
        with pytest.raises(InvalidParameterError, match="cannot be sampled"):
            ask()


def test_densities_without_draws_are_refused():
    kernels = KernelDensity(kernel="cosine").fit(X)
    with pytest.raises(InvalidParameterError, match="cannot be sampled"):
        questions_of(kernels)


def test_images_and_counts_are_refused():
    density = FractalFlowDensity(2, documents="counts", lda_backend=None, max_epochs=1)
    counts = np.random.default_rng(0).poisson(2, (40, 6))
    density.fit(counts)
    for ask in (
        lambda: density.sample(given={0: 1}),
        lambda: density.score_samples(counts, given=[0]),
        lambda: density.quantile(0.5, 0),
        lambda: density.marginal([0]),
    ):
        with pytest.raises(InvalidParameterError, match="counts of words"):
            ask()

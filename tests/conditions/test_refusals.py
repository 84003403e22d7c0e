"""What cannot be asked is refused with the reason."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.neighbors import KernelDensity

from flowkit import FlowDensity, FractalFlowDensity
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


def test_densities_without_draws_are_refused():
    kernels = KernelDensity(kernel="cosine").fit(X)
    with pytest.raises(InvalidParameterError, match="cannot be drawn from"):
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

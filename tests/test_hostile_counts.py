"""Counts of any size: numbers, or an error that names their column."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import example, given

from flowkit import FractalFlowDensity
from flowkit.exceptions import InvalidDataError

from .hostile import answer, arrays_of, examples, numbers, rows_of_size

LARGEST = 2.0**40
OF_ROWS = ("score_samples", "score", "transform", "predict_proba", "predict", "perplexity")


def counting():
    return FractalFlowDensity(
        documents="counts", prior="topic", n_topics=2, max_epochs=1, random_state=0
    )


@cache
def fitted():
    return counting().fit(np.abs(np.round(5 * rows_of_size())))


def check_answers(density, X):
    for method in OF_ROWS:
        for array in arrays_of(answer(getattr(density, method), X)):
            assert not np.isnan(array).any(), method
    for array in arrays_of(answer(density.steer, X, 0)):
        assert np.isfinite(array).all()


@given(X=numbers())
@example(X=np.full((2, 3), LARGEST))
@example(X=np.array([[LARGEST, 0, 0], [0, 0, 0], [0, 1, LARGEST]]))
@examples(10)
def test_counts_of_any_size(X):
    check_answers(fitted(), X)
    counts = np.minimum(np.abs(np.round(X)), LARGEST)
    check_answers(fitted(), counts)
    density = answer(counting().fit, counts)
    if density is not None:
        check_answers(density, counts)


@pytest.mark.parametrize("value", [2 * LARGEST, 1e300])
def test_huge_counts_are_refused_by_column(value):
    counts = np.array([[1, 2, 3], [0, value, 1]])
    for ask in (fitted().score_samples, fitted().predict_proba, counting().fit):
        with pytest.raises(InvalidDataError, match=r"at most 1099511627776, got .* in column 1"):
            ask(counts)

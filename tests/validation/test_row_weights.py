"""Weights of rows: too few, too large."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.exceptions import InvalidDataError
from flowkit.validation import row_weights

from ..table import FLOWS


def test_weights_whose_sum_overflows_keep_their_ratios():
    weight = row_weights(np.array([1e308, 5e307, 0.0]), 3)
    np.testing.assert_allclose(weight / weight[0], [1.0, 0.5, 0.0])
    assert np.isfinite(weight.sum())


def test_other_weights_stay_as_they_are():
    weight = np.array([1.0, 2.5, 0.0])
    np.testing.assert_array_equal(row_weights(weight, 3), weight)


@pytest.mark.parametrize(("weight", "n_needed"), [([0.0, 0.0], 1), ([0.0, 3.0], 2)])
def test_too_few_positive_weights_are_refused(weight, n_needed):
    with pytest.raises(InvalidDataError, match=f"at least {n_needed} a positive"):
        row_weights(weight, 2, n_needed)


@pytest.mark.parametrize("weight", [[1.0, -1.0], [1.0, np.nan], [1.0, np.inf], [1.0]])
def test_weights_that_are_none_are_refused(weight):
    with pytest.raises(ValueError, match=r"[Ww]eight|infinity|NaN"):
        row_weights(weight, 2)


def test_density_takes_huge_weights_as_it_takes_ones():
    X = np.random.default_rng(0).normal(size=(120, 2))
    plain, huge = (FLOWS["default"]().fit(X, sample_weight=np.full(120, w)) for w in (1.0, 1e307))
    np.testing.assert_allclose(huge.score_samples(X), plain.score_samples(X))
    assert huge.score(X, sample_weight=np.full(120, 1e307)) == pytest.approx(huge.score(X))

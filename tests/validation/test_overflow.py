"""Ranges that overflow: halved, and refused by the name of their column."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.exceptions import InvalidDataError
from flowkit.validation import half_range, refuse_wide

LARGEST = np.finfo(float).max


def test_the_half_of_a_range_is_finite():
    X = np.array([[-LARGEST, 1.0, np.nan], [LARGEST, np.nan, np.nan], [0.0, 4.0, np.nan]])
    np.testing.assert_array_equal(half_range(X), [LARGEST, 1.5, np.nan])
    assert half_range(X[:, 0]) == LARGEST
    assert half_range(np.array([3, 8])) == 2.5


def test_columns_whose_range_overflows_are_refused_by_name():
    X = np.array([[0.0, -LARGEST], [LARGEST, LARGEST]])
    with pytest.raises(InvalidDataError, match="b lie too far apart"):
        refuse_wide(X, ["a", "b"])
    refuse_wide(X[:, :1])
    refuse_wide(X[:0])

"""Values are found among sorted numbers as numpy finds them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from flowkit.exchange._search_nodes import SortedColumns, interpolated

from .models import evaluated

# Few and many numbers, with repeats, and as small and large as numbers are.
_RNG = np.random.default_rng(0)
COLUMNS = [
    np.array([0.5]),
    np.sort(_RNG.integers(5, size=12)).astype(float),
    np.sort(_RNG.normal(size=63)),
    np.array([-1e308, -1.0, -5e-324, 0.0, 5e-324, 1e-300, 1e308]),
]


def rows(n=40):
    """Numbers themselves, what lies next to them and between them, and infinite ones."""
    drawn = [_RNG.choice(numbers, n) for numbers in COLUMNS]
    drawn += [np.nextafter(part, np.inf) for part in drawn] + [3 * _RNG.normal(size=n)] * 4
    drawn += [np.full(2, np.inf), np.full(2, -np.inf)] * 2
    groups = [drawn[i : i + 4] for i in range(0, 12, 4)]
    X = np.vstack([np.column_stack(group) for group in groups])
    return np.vstack([X, np.full((1, 4), np.inf), np.full((1, 4), -np.inf)])


@pytest.mark.parametrize("strict", [False, True])
def test_counts_are_those_of_searchsorted(strict):
    def count(x):
        return SortedColumns(x.graph, COLUMNS).count(x, strict).cast("DOUBLE")

    X = rows()[:-2]
    side = "left" if strict else "right"
    expected = [np.searchsorted(c, x, side) for c, x in zip(COLUMNS, X.T, strict=True)]
    np.testing.assert_array_equal(evaluated(count, X), np.column_stack(expected))
    assert evaluated(count, X[:0]).shape == (0, 4)


def test_functions_are_those_of_interp():
    heights = [np.random.default_rng(1).normal(size=len(column)) for column in COLUMNS]
    # The slope between the smallest numbers overflows: there the function is a step.
    heights[3] = np.array([0.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0])
    X = rows()
    expected = [np.interp(x, c, h) for x, c, h in zip(X.T, COLUMNS, heights, strict=True)]
    found = evaluated(lambda x: interpolated(x, COLUMNS, heights), X)
    np.testing.assert_allclose(found, np.column_stack(expected), rtol=1e-14, atol=1e-300)


def test_training_values_have_the_very_height():
    column, height = COLUMNS[2], np.random.default_rng(2).normal(size=63)
    found = evaluated(lambda x: interpolated(x, [column], [height]), column[:, None])
    np.testing.assert_array_equal(found[:, 0], height)

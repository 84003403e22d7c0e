"""Rows taken block by block, so that what is made of them needs little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# Rows that go through at once: many enough for the calls, few enough for any memory.
BLOCK_ROWS = 2**16


def row_blocks(n: int, size: int | None = None) -> Iterator[slice]:
    """Slices that cover n rows in order, of `size` (65,536) rows each but the last."""
    size = BLOCK_ROWS if size is None else size
    return (slice(i, min(i + size, n)) for i in range(0, n, size))


def has_missing(X: np.ndarray) -> bool:
    """Whether any value of X is NaN."""
    return any(np.isnan(X[block]).any() for block in row_blocks(len(X)))

"""Many rows are scored block by block: the scores are the same, and the memory is small."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from flowkit import FlowDensity
from flowkit.nested import score_copies
from flowkit.validation import _blocks

from .examples import SMALL, every_density


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(_blocks, "BLOCK_ROWS", 64)


@every_density
def test_scores_do_not_depend_on_blocks(density, X, small_blocks, monkeypatch):
    in_blocks = density.score_samples(X)
    monkeypatch.setattr(_blocks, "BLOCK_ROWS", len(X))
    np.testing.assert_allclose(in_blocks, density.score_samples(X), rtol=1e-10, atol=1e-10)


def test_copies_of_rows_leave_out_the_kernels_of_their_own_rows(X, small_blocks, monkeypatch):
    density = FlowDensity(**{**SMALL, "prior": "kernel"}).fit(X)
    copies = np.repeat(X, 2, axis=0) * np.tile([[1.0], [1.1]], (len(X), 1))
    in_blocks = score_copies(density, copies, X)
    monkeypatch.setattr(_blocks, "BLOCK_ROWS", len(copies))
    np.testing.assert_allclose(in_blocks, score_copies(density, copies, X), rtol=1e-10, atol=1e-10)


def test_scores_take_little_memory_beside_the_rows(small_blocks):
    rows = np.random.default_rng(0).normal(size=(20_000, 8))
    density = FlowDensity(n_transforms=0, max_epochs=1, random_state=0).fit(rows[:200])
    density.score_samples(rows[:200])
    tracemalloc.start()
    density.score_samples(rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # What says where values are not finite takes a byte for each, twice.
    assert peak < 0.7 * rows.nbytes

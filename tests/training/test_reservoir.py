"""Rows held out of a stream."""

from __future__ import annotations

import numpy as np
import pytest

from flowkit.training import Stream, after_chunk, n_held_out


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_stated_fraction_of_a_stream_is_held_out_whatever_its_chunks(size):
    sizes = [size] * (700 // size)
    held = [n_held_out(n, i * size, 0.1) for i, n in enumerate(sizes)]
    assert sum(held) == 70
    assert max(held) <= max(1, np.ceil(0.1 * size))


def test_one_chunk_brings_no_more_than_half_of_the_hold_out():
    assert n_held_out(100_000, 0, 0.5) == 500


def test_older_chunks_make_room_for_newer_ones():
    rng, stream = np.random.RandomState(0), Stream()
    for chunk in range(6):
        rows = np.full((400, 2), float(chunk))
        stream = after_chunk(stream, 1000, rows, np.full(400, 1.0 + chunk), rng)
    assert stream.n_seen == 6000
    assert stream.rows.shape == (1000, 2)
    chunks, counts = np.unique(stream.rows[:, 0], return_counts=True)
    assert counts[-1] == 400
    assert (np.diff(counts) > 0).all()
    assert np.array_equal(stream.weight, 1 + stream.rows[:, 0])
    assert len(chunks) > 2

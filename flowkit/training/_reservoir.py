"""Rows held out of a stream of chunks, by which the weights that it trains are judged."""

from __future__ import annotations

import math

import numpy as np

# Rows that are held, and how many of them one chunk may bring.
_CAPACITY, _MAX_NEW = 1000, 500
# What is known of a stream before its first chunk: plain values, which pickles hold.
EMPTY = {"n_seen": 0, "rows": None, "weight": None, "path": None}


def n_held_out(n: int, n_seen: int, fraction: float) -> int:
    """Number of rows of a chunk to hold out, such that a share of the whole stream is.

    Parameters
    ----------
    n : int
        Rows of the chunk.
    n_seen : int
        Rows of the stream before.
    fraction : float
        Share of rows to hold out.

    Returns
    -------
    int
        At most as many as a chunk may bring.
    """
    due = math.floor((n_seen + n) * fraction) - math.floor(n_seen * fraction)
    return min(due, _MAX_NEW)


def poured(stream: dict, n: int, rows, weight, rng: np.random.RandomState) -> dict:
    """A stream with rows held out of a further chunk, which take the place of random ones.

    Earlier rows so become the fewer the older they are, and a stream that changes is judged by
    what it is now.

    Parameters
    ----------
    stream : dict
        What is known of the stream.
    n : int
        Rows of the chunk.
    rows : ndarray of shape (k, d)
        Standardised rows held out of it.
    weight : ndarray of shape (k,)
        Their weights.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    dict
        The same of the longer stream.
    """
    if stream["rows"] is not None:
        n_kept = min(len(stream["rows"]), _CAPACITY - len(rows))
        kept = rng.permutation(len(stream["rows"]))[:n_kept]
        rows = np.concatenate([stream["rows"][kept], rows])
        weight = np.concatenate([stream["weight"][kept], weight])
    return {**stream, "n_seen": stream["n_seen"] + n, "rows": rows, "weight": weight}

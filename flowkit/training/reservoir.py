"""The hold-out of a stream of chunks, which chooses among the weights that the stream trains."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .net import DensityNet

# Rows that are held, and how many of them one chunk may bring.
_CAPACITY, _MAX_NEW = 1000, 500


@dataclass(frozen=True)
class Stream:
    """What training keeps between the chunks of a stream.

    Parameters
    ----------
    n_seen : int, default=0
        Rows seen so far.
    rows, weight : ndarray or None, default=None
        Standardised rows of the hold-out, at most 1000, and their weights.
    path : dict of ndarray or None, default=None
        Weights from which training goes on.
    net : DensityNet or None, default=None
        The net that trains, with the state of its optimiser; not kept in pickles.
    """

    n_seen: int = 0
    rows: np.ndarray | None = None
    weight: np.ndarray | None = None
    path: dict[str, np.ndarray] | None = None
    net: DensityNet | None = None


def n_held_out(n: int, n_seen: int, fraction: float) -> int:
    """Number of rows of a chunk to hold out, so that a fraction of the whole stream is.

    Parameters
    ----------
    n : int
        Rows of the chunk.
    n_seen : int
        Rows of the stream before.
    fraction : float
        Fraction of all rows to hold out.

    Returns
    -------
    int
        At most as many as one chunk may bring, 500.
    """
    due = math.floor((n_seen + n) * fraction) - math.floor(n_seen * fraction)
    return min(due, _MAX_NEW)


def after_chunk(stream: Stream, n: int, rows, weight, rng: np.random.RandomState) -> Stream:
    """A stream after one more chunk, whose held-out rows replace random ones of the hold-out.

    The older a chunk, the fewer of its rows are left, so a stream that changes is validated on
    what it is now.

    Parameters
    ----------
    stream : Stream
        The stream before.
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
    Stream
        The stream, with at most 1000 rows in its hold-out.
    """
    if stream.rows is not None:
        n_kept = min(len(stream.rows), _CAPACITY - len(rows))
        kept = rng.permutation(len(stream.rows))[:n_kept]
        rows = np.concatenate([stream.rows[kept], rows])
        weight = np.concatenate([stream.weight[kept], weight])
    return replace(stream, n_seen=stream.n_seen + n, rows=rows, weight=weight)

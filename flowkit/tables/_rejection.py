"""Draws again until enough of them meet constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..exceptions import UnmetConstraintsError
from ._constraints import Constraint
from ._distance_from_rows import Apart

# Draws of each row after which too few may have been accepted, and their least share.
_ENOUGH_TRIED, _LEAST_ACCEPTED = 10_000, 1e-3
# Draws at once beyond those that are expected to be needed, and most of all rows together.
_SPARE, _MOST_AT_ONCE = 1.2, 100_000


def draw_accepted(
    draw: Callable[[int, np.ndarray | slice], np.ndarray],
    n: int,
    constraints: Sequence[Constraint | Apart],
    build: Callable[[np.ndarray], object],
) -> tuple[np.ndarray, float]:
    """Draws that meet all constraints, and the share of draws that do.

    Parameters
    ----------
    draw : callable
        Gives so many draws of each of some of k rows, a slice or their positions, shape (·, m, d).
    n : int
        Number of draws of each row.
    constraints : sequence of Constraint or Apart
        What they must meet.
    build : callable
        Makes a table of draws of shape (m, d).

    Returns
    -------
    rows : ndarray of shape (k * n, d)
        Draws of one row next to each other.
    acceptance : float
        Share of the draws that were accepted, of the row of the least; 1.0 without constraints.

    Raises
    ------
    UnmetConstraintsError
        If hardly any draw is accepted.
    """
    if not constraints:
        rows = draw(n, slice(None))
        return rows.reshape(-1, rows.shape[2]), 1.0
    rows = draw(n, slice(None))
    short = np.arange(len(rows))
    kept, met = [[] for _ in short], np.zeros(len(constraints))
    accepted, tried = np.zeros(len(rows), dtype=int), np.zeros(len(rows), dtype=int)
    while True:
        table = build(rows.reshape(-1, rows.shape[2]))
        meets = np.column_stack([constraint(table) for constraint in constraints])
        good = meets.all(1).reshape(rows.shape[:2])
        for i, part, chosen in zip(short, rows, good, strict=True):
            kept[i].append(part[chosen])
        met += meets.sum(0)
        accepted[short] += good.sum(1)
        tried[short] += rows.shape[1]
        short = np.flatnonzero(accepted < n)
        if not short.size:
            drawn = np.concatenate([np.concatenate(parts)[:n] for parts in kept])
            return drawn, float((accepted / tried).min())
        # Rows that are short have all been drawn as often.
        fewest, times = accepted[short].min(), tried[short[0]]
        if times >= _ENOUGH_TRIED and fewest < _LEAST_ACCEPTED * times:
            raise UnmetConstraintsError(_why(constraints, met / tried.sum(), fewest, times))
        expected = _SPARE * (n - fewest) * times / max(fewest, 1)
        size = int(min(max(expected, n), _MOST_AT_ONCE // len(short))) + 1
        rows = draw(size, short)


def _why(constraints, shares, fewest, tried):
    pairs = zip(constraints, shares, strict=True)
    each = ", ".join(f"{constraint.name} by {share:.2%}" for constraint, share in pairs)
    apart = any(isinstance(constraint, Apart) for constraint in constraints)
    less_apart = "; of rows to be apart from, lower min_distance" if apart else ""
    return (
        f"{fewest} of {tried} draws meet all constraints, each of which is met by this share of "
        f"the draws: {each}. Widen the one that is met least, give values by given= where it "
        f"fixes them, or see whether training rows meet it{less_apart}."
    )

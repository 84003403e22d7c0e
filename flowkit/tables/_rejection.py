"""Draws again until enough of them meet constraints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..exceptions import UnmetConstraintsError
from ._constraints import Constraint
from ._distance_from_rows import Apart

# Draws of each row after which too few may have been accepted, and their least share.
_ENOUGH_TRIED, _LEAST_ACCEPTED = 10_000, 1e-3
# Draws at once beyond those that are expected to be needed, and most of them.
_SPARE, _MOST_AT_ONCE = 1.2, 100_000


def draw_accepted(
    draw: Callable[[int], np.ndarray],
    n: int,
    constraints: Sequence[Constraint | Apart],
    build: Callable[[np.ndarray], object],
) -> tuple[np.ndarray, float]:
    """Draws that meet all constraints, and the share of draws that do.

    Parameters
    ----------
    draw : callable
        Gives so many draws of each of k rows, shape (k, m, d).
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
        rows = draw(n)
        return rows.reshape(-1, rows.shape[2]), 1.0
    kept, accepted, met, tried, size = None, 0, np.zeros(len(constraints)), 0, n
    while True:
        rows = draw(size)
        table = build(rows.reshape(-1, rows.shape[2]))
        meets = np.column_stack([constraint(table) for constraint in constraints])
        good = meets.all(1).reshape(rows.shape[:2])
        kept = [[] for _ in rows] if kept is None else kept
        for parts, part, chosen in zip(kept, rows, good, strict=True):
            parts.append(part[chosen])
        met, tried = met + meets.mean(0) * size, tried + size
        accepted = accepted + good.sum(1)
        fewest = accepted.min()
        if fewest >= n:
            return np.concatenate([np.concatenate(p)[:n] for p in kept]), float(fewest / tried)
        if tried >= _ENOUGH_TRIED and fewest < _LEAST_ACCEPTED * tried:
            raise UnmetConstraintsError(_why(constraints, met / tried, fewest, tried))
        expected = (n - fewest) / max(fewest / tried, 1 / tried)
        size = int(np.clip(_SPARE * expected, n, _MOST_AT_ONCE)) + 1


def _why(constraints, shares, fewest, tried):
    pairs = zip(constraints, shares, strict=True)
    each = ", ".join(f"{constraint.name} by {share:.2%}" for constraint, share in pairs)
    return (
        f"{fewest} of {tried} draws meet all constraints, each of which is met by this share of "
        f"the draws: {each}. Widen the one that is met least, give values by given= where it "
        "fixes them, or see whether training rows meet it; of rows to be apart from, lower "
        "min_distance."
    )

"""Draws of several densities, put together."""

from __future__ import annotations

import numpy as np

from ..nested import draw_from
from ..validation import container_of, is_frame


def draw_from_members(members, weights: np.ndarray, n: int, rng: np.random.RandomState):
    """Draw rows from the weighted mean of densities.

    Parameters
    ----------
    members : list of estimators
        Fitted.
    weights : ndarray of shape (n_members,)
        Their weights.
    n : int
        Number of rows.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    ndarray or pandas DataFrame of shape (n, n_features)
        Rows in random order; a DataFrame where a member draws one.

    Raises
    ------
    InvalidParameterError
        If a member cannot be drawn from.
    """
    counts = rng.multinomial(n, weights / weights.sum())
    pairs = zip(members, counts, strict=True)
    rows = _stacked([draw_from(density, count, rng, None) for density, count in pairs if count])
    return container_of(rows).take(rng.permutation(n), {})


def _stacked(draws):
    frame = next((rows for rows in draws if is_frame(rows)), None)
    if frame is None:
        return np.concatenate(draws)
    like = container_of(frame).like
    first, *others = (rows if is_frame(rows) else like(rows) for rows in draws)
    for rows in others:
        first = container_of(first).join(rows)
    return first

"""Which rows are held out of training, by whose density the best weights are chosen."""

from __future__ import annotations

import math

import numpy as np

from ..exceptions import NoHoldOutWarning
from ..validation import warn

MIN_HOLD_OUT_ROWS = 3
MIN_TRAINING_ROWS = 10


def split(
    n: int, early_stopping: bool, validation_fraction: float, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray | None]:
    """Indices of the rows to train on, and of those held out.

    Parameters
    ----------
    n : int
        Number of rows.
    early_stopping : bool
        Whether to hold rows out at all.
    validation_fraction : float
        Share of the rows to hold out.
    random_state : RandomState
        Source of the order.

    Returns
    -------
    training : ndarray of int
        In random order.
    hold_out : ndarray of int or None
        None where no rows are held out.

    Warns
    -----
    NoHoldOutWarning
        If there are too few rows.
    """
    order = random_state.permutation(n)
    n_held = math.ceil(validation_fraction * n)
    if not early_stopping:
        return order, None
    if n_held < MIN_HOLD_OUT_ROWS or n - n_held < MIN_TRAINING_ROWS:
        warn(
            f"{n} rows are too few for a hold-out of validation_fraction={validation_fraction}: "
            f"early stopping is off. Give at least {MIN_HOLD_OUT_ROWS} rows to the hold-out and "
            f"{MIN_TRAINING_ROWS} to training, or set early_stopping=False.",
            NoHoldOutWarning,
        )
        return order, None
    return order[n_held:], order[:n_held]


def split_chunk(
    n: int, n_wanted: int, n_needed: int, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows of a chunk to train on, and of those held out.

    Parameters
    ----------
    n : int
        Number of rows.
    n_wanted : int
        Rows to hold out.
    n_needed : int
        Rows that training needs, which go first.
    random_state : RandomState
        Source of the order.

    Returns
    -------
    training, hold_out : ndarray of int
        In random order.
    """
    order = random_state.permutation(n)
    n_held = max(0, min(n_wanted, n - n_needed))
    return order[n_held:], order[:n_held]

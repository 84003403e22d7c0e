"""The rows that calibrate a detector: held out once, or each in one of several folds."""

from __future__ import annotations

import math

import numpy as np

from ..exceptions import InvalidDataError
from ._p_values import possible_p_values

N_FOLDS = 5
_MIN_TRAINING_ROWS = 2
_LEAST_RATE = np.finfo(np.float64).tiny


def n_rows_needed(rate: float) -> int:
    """Number of calibration rows that a false-alarm rate needs; for 0 one is enough."""
    # The inverse of the smallest rates overflows.
    return math.ceil(1 / max(rate, _LEAST_RATE)) - 1 if rate else 1


def can_show(n: int, rate: float) -> bool:
    """Whether n calibration rows are enough for a false-alarm rate."""
    return n > 0 and (rate == 0 or possible_p_values(n)[0] <= rate)


def hold_out(n: int, fraction: float, rate: float, rng: np.random.RandomState):
    """Positions of training rows and of calibration rows, both in order.

    Parameters
    ----------
    n : int
        Number of rows.
    fraction : float
        Share of the rows to hold out.
    rate : float
        False-alarm rate that these must be able to show.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    training, calibration : ndarray of int
        Positions.

    Raises
    ------
    InvalidDataError
        If too few rows are held out for the rate, or too few are left.
    """
    n_held_out = round(fraction * n)
    if not can_show(n_held_out, rate) or n - n_held_out < _MIN_TRAINING_ROWS:
        raise InvalidDataError(
            f"a false-alarm rate of {rate:g} needs at least {n_rows_needed(rate)} calibration "
            f"rows, but calibration_fraction={fraction:g} of {n} rows are {n_held_out}. Give more "
            "rows, raise contamination or calibration_fraction, or set calibrate='cv', which "
            "calibrates by all rows, or calibrate=False."
        )
    order = rng.permutation(n)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def folds(n: int, rate: float, rng: np.random.RandomState) -> list[np.ndarray]:
    """Positions of the rows of each fold, in order; each row is in one of them.

    Parameters
    ----------
    n : int
        Number of rows.
    rate : float
        False-alarm rate that all rows together must be able to show.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    list of ndarray of int
        Five, or one for each row if there are fewer rows.

    Raises
    ------
    InvalidDataError
        If there are too few rows for the rate, or too few would be left beside a fold.
    """
    n_needed = max(n_rows_needed(rate), _MIN_TRAINING_ROWS + 1)
    if n < n_needed or not can_show(n, rate):
        raise InvalidDataError(
            f"a false-alarm rate of {rate:g} needs at least {n_needed} rows with calibrate='cv', "
            f"got {n}. Give more rows, raise contamination, or set calibrate=False."
        )
    parts = np.array_split(rng.permutation(n), min(N_FOLDS, n))
    return [np.sort(part) for part in parts]

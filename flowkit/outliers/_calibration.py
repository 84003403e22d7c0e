"""The threshold of a detector: from training rows, or from rows held out for it."""

from __future__ import annotations

import math

import numpy as np

from ..exceptions import InvalidDataError
from ._p_values import possible_p_values
from ._rounding import less_rounding

_MIN_TRAINING_ROWS = 2


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
    left = n - n_held_out
    if n_held_out < 1 or possible_p_values(n_held_out)[0] > rate or left < _MIN_TRAINING_ROWS:
        needed = math.ceil(1 / rate) - 1
        raise InvalidDataError(
            f"a false-alarm rate of {rate:g} needs at least {needed} calibration rows, but "
            f"calibration_fraction={fraction:g} of {n} rows are {n_held_out}. Give more rows, "
            "raise contamination or calibration_fraction, or set calibrate=False."
        )
    order = rng.permutation(n)
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


def calibrated_threshold(calibration_scores, rate: float) -> float:
    """The lowest score whose p-value exceeds a false-alarm rate.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of the rows held out, sorted.
    rate : float
        False-alarm rate.

    Returns
    -------
    float
        The threshold.

    Raises
    ------
    InvalidDataError
        If it is ``-inf``, below which nothing is.
    """
    possible = possible_p_values(len(calibration_scores))
    n_alarms = np.searchsorted(possible, rate, side="right")
    threshold = less_rounding(calibration_scores[n_alarms - 1])
    if np.isneginf(threshold):
        share = np.isneginf(calibration_scores).mean()
        raise InvalidDataError(
            f"{share:.0%} of the calibration rows have a density of zero, more than the "
            f"false-alarm rate of {rate:g}, so that no threshold is left. Text whose levels are "
            "rare has levels that training did not see: make it a pandas category. Or widen "
            "bounds, or set calibrate=False."
        )
    return threshold


def training_threshold(scores, rate: float) -> float:
    """The score that a share of the training rows lies below.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the training rows.
    rate : float
        The share.

    Returns
    -------
    float
        The threshold, finite.
    """
    # Between infinity and a number there is no number.
    finite = np.maximum(scores, np.finfo(np.float64).min)
    return less_rounding(np.percentile(finite, 100 * rate))

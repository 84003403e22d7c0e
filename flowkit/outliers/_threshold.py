"""The threshold of a detector: from training rows, or from calibration rows."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ._p_values import possible_p_values
from ._rounding import less_rounding
from ._weights import row_counts

# Sums of weights are rounded; shares that differ by less are the same.
_SAME_SHARE = 1e-10


def training_threshold(scores, share: float, weight=None) -> float:
    """The highest score that at most a share of the training rows lies below.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the training rows.
    share : float
        The share.
    weight : ndarray of shape (n_samples,), default=None
        Weights of the rows in the share.

    Returns
    -------
    float
        The threshold: finite, and not below the lowest finite score.
    """
    order = np.argsort(scores, kind="stable")
    counts = np.cumsum(row_counts(len(scores), weight)[order])
    n_below = np.searchsorted(counts / counts[-1], share + _SAME_SHARE, side="right")
    return less_rounding(max(scores[order[n_below]], _lowest_finite(scores)))


def calibrated_threshold(calibration_scores, rate: float) -> float:
    """The lowest score whose p-value exceeds a false-alarm rate.

    Parameters
    ----------
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of the calibration rows, sorted.
    rate : float
        False-alarm rate; for 0, below which no p-value is, the lowest score of these rows is taken.

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
    n_alarms = max(1, np.searchsorted(possible, rate, side="right"))
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


def _lowest_finite(scores) -> float:
    finite = scores[np.isfinite(scores)]
    return finite.min() if finite.size else np.finfo(np.float64).min

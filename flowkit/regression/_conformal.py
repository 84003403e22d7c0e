"""Intervals that hold: how far normal scores of new targets go, by those of rows held out."""

from __future__ import annotations

import numpy as np

from ..exceptions import FewCalibrationRowsWarning
from ..validation import warn


def reach(scores: np.ndarray, weight: np.ndarray | None, coverage: float) -> np.ndarray:
    """Absolute normal score that as large a share of new targets as `coverage` does not exceed.

    Where calibration rows and a new row are exchangeable, the share is at least that on average.

    Parameters
    ----------
    scores : ndarray of shape (n_calibration, n_targets)
        Absolute normal scores of targets of rows that were not trained on.
    weight : ndarray of shape (n_calibration,) or None
        Weights of these rows; a new row has their mean.
    coverage : float
        The share, between 0 and 1.

    Returns
    -------
    ndarray of shape (n_targets,)
        Infinite where there are too few rows to tell.

    Warns
    -----
    FewCalibrationRowsWarning
        If there are too few rows.
    """
    weight = np.ones(len(scores)) if weight is None else weight / weight.mean()
    order = np.argsort(scores, axis=0)
    # The new row may lie beyond all.
    share = np.cumsum(weight[order], axis=0) / (weight.sum() + 1)
    # Sums of weights are rounded.
    position = (share < coverage - 1e-12).sum(0)
    if (position == len(scores)).any():
        needed = int(np.ceil(coverage / (1 - coverage)))
        warn(
            f"intervals of coverage={coverage:g} are infinite: they need about {needed} "
            f"calibration rows, and there are {len(scores)}. Give more rows to fit or a larger "
            "calibration_fraction, or ask for a lower coverage.",
            FewCalibrationRowsWarning,
        )
    padded = np.vstack([np.sort(scores, axis=0), np.full((1, scores.shape[1]), np.inf)])
    return np.take_along_axis(padded, position[None], 0)[0]

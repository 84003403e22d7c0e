"""Weights of rows, as users give them."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ._as_array import check_sample_weight, typed_errors


def row_weights(sample_weight, n_rows: int, n_needed: int = 1) -> np.ndarray:
    """Validated weights, whose sum is a number.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,) or float
        What the user gave.
    n_rows : int
        Number of rows.
    n_needed : int, default=1
        Number of rows that must have a positive weight.

    Returns
    -------
    ndarray of shape (n_rows,)
        Weights; only their ratios are those that were given.

    Raises
    ------
    InvalidDataError
        If too few rows have a positive weight, or weights are negative, not finite, or not as many
        as rows.
    """
    with typed_errors("sample_weight"):
        _refuse_few(np.asarray(sample_weight), n_needed)
    weight = check_sample_weight(sample_weight, n_rows)
    _refuse_few(weight, n_needed)
    largest = weight.max()
    return weight / largest if largest > np.finfo(np.float64).max / n_rows else weight


def _refuse_few(weight: np.ndarray, n_needed: int) -> None:
    """Refuse weights of which too few are positive."""
    if weight.ndim != 1 or weight.dtype.kind not in "buif" or not (weight >= 0).all():
        return
    n_positive = np.count_nonzero(weight)
    if n_positive < n_needed:
        # The words that scikit-learn uses for the same.
        none = "" if n_positive else "Sample weights must contain at least one non-zero number: "
        raise InvalidDataError(
            f"{none}sample_weight leaves {n_positive} row(s): all other weights are zero. Give at "
            f"least {n_needed} a positive weight."
        )

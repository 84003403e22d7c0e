"""Rows and weights of a table, validated before anything is learned of them."""

from __future__ import annotations

import numpy as np
from sklearn.utils import get_tags

from ..exceptions import InvalidDataError
from ..nested import require_weights
from ..streams import refuse_streams
from ..validation import check_labels, container_of, keep_types, row_weights, validate_data

_MIN_TRAINING_ROWS = 2


def validate_table(estimator, X, reset: bool):
    """A DataFrame as it is, anything else as an array whose values have kept their types.

    Parameters
    ----------
    estimator : estimator
        Gets the names and the number of columns, or has them compared.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    reset : bool
        Whether these are training rows.

    Raises
    ------
    InvalidDataError
        If there are too few rows, no columns, or columns of one name.
    """
    refuse_streams(X, estimator)
    checked = check_labels(estimator, X, reset)
    n_needed = _MIN_TRAINING_ROWS if reset else 1
    if container_of(X).is_frame:
        validate_data(estimator, checked, reset=reset, skip_check_array=True)
        _refuse_small(X, n_needed)
        return X
    return validate_data(
        estimator,
        keep_types(X),
        dtype=None,
        reset=reset,
        ensure_all_finite=False,
        ensure_min_samples=n_needed,
    )


def _refuse_small(X, n_needed):
    n_rows, n_columns = X.shape
    if n_rows < n_needed or not n_columns:
        raise InvalidDataError(
            f"Found a table of shape ({n_rows}, {n_columns}) while a minimum of {n_needed} row(s) "
            "and one column is required."
        )


def check_weight(
    sample_weight, n_rows: int, density, n_needed: int = _MIN_TRAINING_ROWS
) -> np.ndarray | None:
    """Weights of training rows, None where none are given.

    Parameters
    ----------
    sample_weight : array-like of shape (n_rows,) or None
        Weights as they were given.
    n_rows : int
        Number of training rows.
    density : estimator
        Must take weights, too.
    n_needed : int, default=2
        Least number of rows of a positive weight.

    Raises
    ------
    InvalidDataError
        If too few rows have a positive weight.
    InvalidParameterError
        If the density takes no weights.
    """
    if sample_weight is None:
        return None
    weight = row_weights(sample_weight, n_rows, n_needed)
    require_weights(density)
    return weight


def takes_missing(density) -> bool:
    """Whether a density accepts NaN; None, which stands for the default one, does not."""
    if density is None:
        return False
    return getattr(density, "missing", None) is not None or get_tags(density).input_tags.allow_nan

"""Rows for a density within: numbers, or tables whose values only the density knows."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import _check_feature_names, _check_n_features

from ..exceptions import InvalidDataError
from ..streams import refuse_streams
from ..validation import (
    check_array,
    check_labels,
    container_of,
    is_frame,
    keep_types,
    labels_of,
    refuse_non_finite,
    refuse_unreal,
    typed_errors,
    validate_data,
)


def read_rows(estimator, X, reset: bool):
    """Rows as any density can take them, their names kept or compared.

    Parameters
    ----------
    estimator : estimator
        Its fitted attributes hold the names and the number of the columns.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows. Values are left to the density, which knows what they can be.
    reset : bool
        Whether to keep the names and the number, or to compare them.

    Returns
    -------
    ndarray or pandas DataFrame of shape (n_samples, n_features)
        The rows.

    Raises
    ------
    InvalidDataError
        If columns have other names than in training, or several have one name, or there are no
        rows or columns.
    """
    refuse_streams(X, estimator)
    checked = check_labels(estimator, X, reset)
    X = container_of(X).to_pandas_or_array()
    if is_frame(X):
        _refuse_empty(X)
    else:
        X = keep_types(X)
        X = check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator)
        if X.dtype.kind in "iu":
            # Some densities round their scores to the type of the rows.
            X = X.astype(np.float64)
    with typed_errors():
        _check_feature_names(estimator, checked, reset=reset)
        _check_n_features(estimator, X, reset=reset)
    return X


def _refuse_empty(X):
    for size, parts in zip(X.shape, ("rows", "columns"), strict=True):
        if not size:
            raise InvalidDataError(
                f"X is a table of shape {X.shape}: it has no {parts}; give at least one."
            )


def read_numbers(estimator, X, reset: bool, allow_nan: bool):
    """Rows of real numbers in float64, their names kept or compared.

    Parameters
    ----------
    estimator : estimator
        Its fitted attributes hold the names and the number of the columns.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    reset : bool
        Whether to keep the names and the number, or to compare them.
    allow_nan : bool
        Whether values may be missing.

    Returns
    -------
    ndarray or DataFrame of shape (n_samples, n_features)
        The rows, still a DataFrame if they were one.

    Raises
    ------
    UnsupportedValueError
        If a column holds anything but numbers.
    InvalidDataError
        If columns have other names than in training, several have one name, or values are infinite
        or missing where they may not.
    """
    refuse_streams(X, estimator)
    refuse_unreal(X, estimator)
    X = check_labels(estimator, X, reset)
    rows = validate_data(
        estimator,
        X,
        dtype=np.float64,
        # Products over another memory layout differ in the last bits.
        order="C",
        reset=reset,
        ensure_all_finite="allow-nan" if allow_nan else False,
    )
    if not allow_nan:
        refuse_non_finite(rows, labels_of(estimator))
    return container_of(X).like(rows)

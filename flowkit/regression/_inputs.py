"""What users give to a regressor: features, targets, and shares between 0 and 1."""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from ..columns import moments
from ..exceptions import InvalidDataError, UnsupportedValueError
from ..streams import refuse_streams
from ..validation import (
    as_numbers,
    check_array,
    check_labels,
    container_of,
    labels_of,
    name_columns,
    refuse_non_finite,
    refuse_unreal,
    shown,
    typed_errors,
    validate_data,
)

_FEWEST_ROWS = 2
_OF_TEXT = (
    "Encode text and categories first, e.g. with sklearn.preprocessing.OneHotEncoder(sparse_output="
    "False) in a pipeline."
)
_OF_DATES = "turn dates into numbers, such as days since a date"
_OF_MISSING = (
    "Fill these values in first, e.g. with sklearn.impute.SimpleImputer or flowkit.DensityImputer "
    "in a pipeline, or drop these rows."
)


def read_training(regressor, X, y) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, n_features) and targets, (n,) or (n, n_targets), both float64.

    Raises
    ------
    InvalidDataError
        If there are fewer than two rows, or something is no finite number.
    """
    _refuse_dates(y)
    X, y = _read(regressor, X, reset=True, y=y, multi_output=True, y_numeric=True)
    # Objects that are no numbers, such as None, are seen only here.
    y = y.toarray() if issparse(y) else y
    return X, check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")


def _refuse_dates(y):
    """Refuse dates and lengths of time as targets, which numpy would take for whole numbers."""
    with typed_errors("y"):
        values = np.asarray(y)
    if values.dtype.kind in "mM":
        raise UnsupportedValueError(
            f"y holds {shown(values.flat[0]) if values.size else values.dtype}, but targets are "
            "real numbers: give numbers in a unit, such as days since a date."
        )


def read_features(regressor, X) -> np.ndarray:
    """Features of rows to predict, float64."""
    return _read(regressor, X, reset=False)


def _read(regressor, X, reset, **options):
    refuse_streams(X, regressor)
    refuse_unreal(X, regressor, _OF_TEXT, _OF_DATES)
    read = validate_data(
        regressor,
        check_labels(regressor, X, reset),
        dtype=np.float64,
        order="C",
        reset=reset,
        ensure_min_samples=_FEWEST_ROWS if reset else 1,
        ensure_all_finite=False,
        **options,
    )
    features = read[0] if options else read
    refuse_non_finite(features, labels_of(regressor), of_missing=_OF_MISSING)
    return read


def read_targets(y, n_rows: int, n_targets: int, is_single: bool) -> np.ndarray:
    """Targets of rows to score, shape (n_rows, n_targets).

    Raises
    ------
    InvalidDataError
        If the shape is another than that of the targets of `fit`, or a value is not finite.
    """
    _refuse_dates(y)
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    wanted = (n_rows,) if is_single else (n_rows, n_targets)
    if y.shape != wanted:
        raise InvalidDataError(
            f"expected y of shape {wanted}, one row for each row of X and the targets of fit, got "
            f"{y.shape}."
        )
    return y.reshape(n_rows, n_targets)


def names_of_targets(y, shape: tuple[int, ...]) -> np.ndarray:
    """What messages call targets that were read as an array of this shape."""
    labels = container_of(y).labels
    if labels is None:
        labels = ["y"] if len(shape) == 1 else [f"y[:, {j}]" for j in range(shape[1])]
    names = np.empty(len(labels), dtype=object)
    names[:] = labels
    return names


def read_shares(values, name: str) -> np.ndarray:
    """Numbers between 0 and 1, the ends left out, of at most one dimension.

    Raises
    ------
    InvalidDataError
        If they are anything else.
    """
    shares = as_numbers(values)
    if shares is None or shares.ndim > 1 or not shares.size or not _are_inside(shares):
        raise InvalidDataError(
            f"{name} must be between 0 and 1, ends left out, such as 0.9, got {shown(values)}."
        )
    return shares


def _are_inside(shares):
    return bool(((shares > 0) & (shares < 1)).all())


def location_and_scale(
    X: np.ndarray, weight: np.ndarray | None, names: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """What features are centred by and divided by; constant ones by one.

    Raises
    ------
    InvalidDataError
        If the variance of a column overflows.
    """
    location, scale, _ = moments(X, weight)
    overflow = np.flatnonzero(~np.isfinite(scale))
    if overflow.size:
        raise InvalidDataError(
            f"the values of column(s) {name_columns(overflow, names)} are too large: their "
            "variance overflows float64. Rescale these columns."
        )
    return location, np.where(scale > 0, scale, 1.0)

"""The rows of a fit, which may be too many for copies of them."""

from __future__ import annotations

import numpy as np

from ..columns import Columns
from ..exceptions import InvalidDataError
from ..missing import refuse_empty, refuse_images
from ..streams import StoredRows, is_stream, store_rows
from ..validation import labels_of, refuse_non_finite, row_weights

# Values of which a float64 copy takes little memory.
_FEW_VALUES = 2**22
# Rows that columns, the initial density and descriptions are learned from.
_MAX_DESCRIBED_ROWS = 100_000


class StandardisedRows:
    """Rows that are standardised when they are looked at.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Rows of numbers of any type.
    columns : Columns
        Location and scale.
    """

    def __init__(self, X: np.ndarray, columns: Columns):
        self.X, self.columns, self.shape = X, columns, X.shape

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, index) -> np.ndarray:
        """Rows at positions, float64."""
        return np.ascontiguousarray(self.columns.standardise(self.X[index]))


def stored(density, X, begins: bool):
    """The rows of a stream, validated and stored on disk; all others as they are.

    Parameters
    ----------
    density : FittedDensity
        Validates each chunk, and keeps names and number of the columns.
    X : object
        What a user gave for rows.
    begins : bool
        Whether names and number of columns are learned anew.

    Returns
    -------
    StoredRows or object
        The rows.
    """
    if not is_stream(X):
        return X
    if density.missing is not None:
        raise InvalidDataError(
            f"missing={density.missing!r} completes rows in memory, so that rows in chunks cannot "
            "be fitted: give an array, or the chunks to partial_fit, one by one."
        )
    return store_rows(X, lambda chunk, first: density._validate_rows(chunk, begins and first))


def validated(density, X, sample_weight, begins: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Training rows of positive weight, and their weights.

    Parameters
    ----------
    density : BaseDensity
        Validates rows, and keeps names and number of the columns.
    X : object
        What a user gave for rows, or `StoredRows`.
    sample_weight : array-like of shape (n,) or None
        What a user gave for weights.
    begins : bool
        Whether names and number of columns are learned anew.

    Returns
    -------
    X : ndarray of shape (n_kept, n_features)
        Rows in float64; of many in an array, that array, of whatever type of number.
    weight : ndarray of shape (n_kept,) or None
        Their weights.
    """
    # Columns have no scale in one row; later chunks bring theirs along.
    n_needed = 2 if begins else 1
    incomplete = density.missing is not None
    if incomplete:
        refuse_images(density, "missing='marginalize' is")
    if not incomplete and _stay_in_place(X):
        X = _validated_in_place(density, X, begins, n_needed)
    else:
        X = density._validate_rows(X, begins, ensure_min_samples=n_needed, incomplete=incomplete)
        X = X.astype(np.float64)
    weight = None
    if sample_weight is not None:
        weight = row_weights(sample_weight, len(X), n_needed)
        kept = weight > 0
        if not kept.all():
            X, weight = X[kept], weight[kept]
    if not incomplete:
        return X, weight
    kept = refuse_empty(X, labels_of(density), n_needed, begins)
    return X[kept], None if weight is None else weight[kept]


def _stay_in_place(X) -> bool:
    """Whether rows are many numbers in an array, or valid already."""
    if isinstance(X, StoredRows):
        return True
    is_plain = isinstance(X, np.ndarray) and X.ndim > 1 and X.dtype.kind in "iuf"
    return is_plain and X.dtype.itemsize <= 8 and X.size > _FEW_VALUES


def _validated_in_place(density, X, begins, n_needed):
    """Rows validated without a copy; few of them in float64."""
    if not isinstance(X, StoredRows):
        density._validate_rows(X[:n_needed], begins, ensure_min_samples=n_needed)
        X = X.reshape(len(X), -1)
        refuse_non_finite(X, labels_of(density))
    elif len(X) < n_needed:
        raise InvalidDataError(
            f"Found {len(X)} sample(s) in all chunks while a minimum of {n_needed} is required."
        )
    X = np.asarray(X)
    return X.astype(np.float64, order="C") if X.size <= _FEW_VALUES else X


def described(
    X: np.ndarray, weight: np.ndarray | None, training: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The rows that columns and the initial density are learned from, in float64.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        All rows.
    weight : ndarray of shape (n,) or None
        Their weights.
    training : ndarray of int
        Those to train on, in random order.

    Returns
    -------
    X : ndarray of shape (n_described, n_features)
        All rows, or if there are more than 100,000, as many of those to train on.
    weight : ndarray of shape (n_described,) or None
        Their weights.
    training : ndarray of int
        Those of them to train on.
    """
    if len(X) <= _MAX_DESCRIBED_ROWS:
        return np.ascontiguousarray(X, dtype=np.float64), weight, training
    chosen = training[:_MAX_DESCRIBED_ROWS]
    X = np.ascontiguousarray(X[chosen], dtype=np.float64)
    return X, None if weight is None else weight[chosen], np.arange(len(chosen))

"""Rows that are copies of each other, which tell nothing new on the other side of a hold-out."""

from __future__ import annotations

from numbers import Real

import numpy as np

from ..validation import as_floats, container_of

# More frequent rows are values that new rows have as well, such as an atom at zero.
_MAX_SHARE = 0.1


def labels_of_copies(X, kept: np.ndarray) -> np.ndarray:
    """Labels that are the same for rows that are copies of each other.

    Rows of whole numbers and levels alone coincide by themselves, so that they are no copies, and
    neither are rows of which there are more than a tenth of all.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows.
    kept : ndarray of int
        Positions of the rows to label.

    Returns
    -------
    ndarray of int of shape (n_kept,)
        The labels.
    """
    codes, fractional = zip(*map(_codes, container_of(X).columns()), strict=True)
    suspects = np.flatnonzero(np.logical_or.reduce(fractional)[kept])
    labels = np.arange(len(kept))
    if suspects.size:
        # A zero of either sign is one value.
        values = np.column_stack(codes)[kept[suspects]] + 0.0
        values[np.isnan(values)] = np.nan
        rows = values.view(np.dtype((np.void, values.strides[0]))).ravel()
        _, first, inverse, counts = np.unique(
            rows, return_index=True, return_inverse=True, return_counts=True
        )
        are_copies = (counts <= _MAX_SHARE * len(kept))[inverse]
        labels[suspects[are_copies]] = suspects[first[inverse[are_copies]]]
    return labels


def _codes(column):
    """Values of a column as numbers that tell them apart, and which of them are fractions."""
    if getattr(column.dtype, "kind", "O") in "iufb":
        values = as_floats(column)
        with np.errstate(invalid="ignore"):
            return values, np.abs(values) % 1 > 0
    values = list(column)
    _, codes = np.unique([repr(value) for value in values], return_inverse=True)
    return codes, np.array([isinstance(value, Real) and abs(value) % 1 > 0 for value in values])

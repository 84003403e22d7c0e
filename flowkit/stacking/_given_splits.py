"""Splits of a user's own, from a splitter or an iterable, validated."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import _num_samples

from ..exceptions import InvalidDataError, InvalidParameterError


def given_splits(cv, X, kept: np.ndarray) -> list[tuple]:
    """Positions of the rows to fit to, and of those held out, for each split.

    Parameters
    ----------
    cv : splitter or iterable
        As a user gave it.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows.
    kept : ndarray of int
        Positions of the rows that have a weight, in order.

    Returns
    -------
    list of (ndarray of int, ndarray of int)
        The splits, of rows with a weight alone; without those that would hold none out.

    Raises
    ------
    InvalidParameterError
        If these are no splits of the rows.
    InvalidDataError
        If no row with a weight is held out, or a split trains on none.
    """
    rows = np.arange(_num_samples(X))
    has_weight = np.isin(rows, kept)
    splits = []
    for i, split in enumerate(_listed(cv, X)):
        training, held_out = (part[has_weight[part]] for part in _parts(i, split, rows))
        if not held_out.size:
            continue
        if not training.size:
            raise InvalidDataError(
                f"split {i} of cv trains on no row of positive weight: give splits with rows to "
                "train on."
            )
        splits.append((training, held_out))
    if not splits:
        raise InvalidDataError(
            f"cv={cv!r} holds out no row of positive weight: give splits with rows to hold out."
        )
    return splits


def _listed(cv, X):
    try:
        splits = list(cv.split(X) if hasattr(cv, "split") else cv)
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"cv={cv!r} gives no splits of {_num_samples(X)} rows: {error} Expected a splitter "
            "that needs neither y nor groups, such as KFold(5), or a list of pairs of positions, "
            "such as list(GroupKFold().split(X, groups=groups))."
        ) from error
    if not splits:
        raise InvalidParameterError(
            f"cv={cv!r} gives no split, expected at least one. A generator is used up after one "
            "fit: give a list, such as list(splits)."
        )
    return splits


def _parts(i, split, rows):
    """Positions of the two parts of a split; they may be given as masks."""
    try:
        given = [np.asarray(part) for part in split]
        parts = [rows[part] if part.size else rows[:0] for part in given]
        problem = _problem(given, parts)
    except (IndexError, TypeError, ValueError) as error:
        problem = str(error)
    if problem:
        raise InvalidParameterError(
            f"split {i} of cv is no split of {len(rows)} rows: {problem}. Expected a pair of the "
            "positions to train on and of those to hold out, at least one each, from 0 to "
            f"{len(rows) - 1}, or of masks."
        )
    return parts


def _problem(given, parts):
    if len(parts) != 2:
        return f"it has {len(parts)} parts"
    for part, name, rows in zip(given, ("training", "hold-out"), parts, strict=True):
        if part.ndim != 1:
            return f"the {name} is of shape {part.shape}, not (n,)"
        if not rows.size:
            return f"the {name} is empty"
    return ""

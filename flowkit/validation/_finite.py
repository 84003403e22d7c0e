"""Values that are not finite, refused by the names of their columns."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError

_MAX_SHOWN = 10


def name_columns(columns: np.ndarray, names: np.ndarray | None) -> str:
    """Columns as a user knows them, at most ten.

    Parameters
    ----------
    columns : ndarray of int
        Their positions.
    names : ndarray or None
        Labels of all columns; None where they have none.
    """
    shown = [str(names[i]) if names is not None else str(i) for i in columns[:_MAX_SHOWN]]
    rest = len(columns) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def refuse_non_finite(
    X: np.ndarray, names: np.ndarray | None, missing: np.ndarray | None = None
) -> None:
    """Name the columns that hold NaN or infinity, where these are not marked as missing.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    names : ndarray or None
        Labels of the columns; None where they have none.
    missing : ndarray of bool of shape (n_samples, n_features), default=None
        Where values are missing, and may be anything.

    Raises
    ------
    InvalidDataError
        If there are any.
    """
    wrong = ~np.isfinite(X)
    advice = (
        "Impute or drop these rows first, e.g. with sklearn.impute.SimpleImputer, or use a density "
        "with missing='marginalize' for NaN."
    )
    if missing is not None:
        wrong &= ~missing
        advice = "Where values are missing the mask must be True, as in mask=np.isnan(X)."
    if not wrong.any():
        return
    columns = np.flatnonzero(wrong.any(0))
    kind = "NaN" if np.isnan(X[wrong]).any() else "infinity"
    if kind == "infinity":
        advice = "Drop these rows, or put the largest number that makes sense in its place."
    raise InvalidDataError(
        f"Input X contains {kind} in column(s) {name_columns(columns, names)}. {advice}"
    )

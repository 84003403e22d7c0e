"""Values that are not finite, refused by the names of their columns."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ._blocks import row_blocks

_MAX_SHOWN = 10
_OF_MISSING = (
    "Impute or drop these rows first, e.g. with sklearn.impute.SimpleImputer, or use a density "
    "with missing='marginalize' for NaN."
)


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
    X: np.ndarray,
    names: np.ndarray | None,
    missing: np.ndarray | None = None,
    of_missing: str = _OF_MISSING,
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
    of_missing : str, default: what to do before a density
        What to do where values are missing and may not be.

    Raises
    ------
    InvalidDataError
        If there are any.
    """
    columns, holds_nan = np.zeros(X.shape[1], dtype=bool), False
    for block in row_blocks(len(X)):
        wrong = ~np.isfinite(X[block])
        if missing is not None:
            wrong &= ~missing[block]
        if wrong.any():
            columns |= wrong.any(0)
            holds_nan |= bool(np.isnan(X[block][wrong]).any())
    if not columns.any():
        return
    if not holds_nan:
        advice = "Drop these rows, or put the largest number that makes sense in its place."
    elif missing is not None:
        advice = "Where values are missing the mask must be True, as in mask=np.isnan(X)."
    else:
        advice = of_missing
    raise InvalidDataError(
        f"Input X contains {'NaN' if holds_nan else 'infinity'} in column(s) "
        f"{name_columns(np.flatnonzero(columns), names)}. {advice}"
    )

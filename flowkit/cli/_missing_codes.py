"""Values that stand for missing ones, as the command line has them."""

from __future__ import annotations

import re

import numpy as np

from .._optional import require
from ..exceptions import FlowkitWarning
from ..validation import container_of, warn
from ._tables import ISO_DATE


def with_missing(X, codes: list[str]):
    """A table without the values that stand for missing ones.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The table.
    codes : list of str
        Values as they are written, such as ``'-999'``: of numbers, of text, and of dates in ISO
        format. A number is no code of columns of True and False. Of codes that are found nowhere
        a FlowkitWarning tells.

    Returns
    -------
    DataFrame or ndarray of shape (n_samples, n_columns)
        The same table if none is given, else a copy with missing values in their places.

    Examples
    --------
    >>> import numpy as np
    >>> with_missing(np.array([[1, -999], [2, 3]]), ["-999.0"]).tolist()
    [[1.0, nan], [2.0, 3.0]]
    """
    if not codes:
        return X
    found = [_places_of(X, code) for code in codes]
    idle = [code for code, places in zip(codes, found, strict=True) if not places.any()]
    if idle:
        warn(
            f"--missing {' '.join(idle)} changes nothing: no column holds that. Numbers stand for "
            "numbers and text, not for yes/no; write dates like 1900-01-01.",
            FlowkitWarning,
        )
    is_missing = np.logical_or.reduce(found)
    if container_of(X).labels is None:
        return np.where(is_missing, np.nan, X)
    return X.mask(is_missing)


def _places_of(X, code):
    """Which values of a table are what a code says, shape (n_samples, n_columns)."""
    number = _as_number(code)
    if container_of(X).labels is None:
        holds_numbers = number is not None and X.dtype.kind in "iuf"
        return np.isin(X, [number]) if holds_numbers else np.zeros(X.shape, dtype=bool)
    columns = (X.iloc[:, j] for j in range(X.shape[1]))
    return np.column_stack([_places_in(column, code, number) for column in columns])


def _places_in(column, code, number):
    if column.dtype.kind == "M":
        date = _as_date(code)
        return column.isin([] if date is None else [date]).to_numpy(bool)
    is_code = column.isin([code] if number is None else [code, number]).to_numpy(bool)
    if column.dtype.kind not in "iuf" and number is not None:
        # To pandas False is 0.
        is_code = is_code & [not isinstance(value, bool | np.bool_) for value in column]
    return is_code


def _as_date(text):
    if not re.fullmatch(ISO_DATE, text):
        return None
    try:
        return require("pandas", "reading dates").Timestamp(text)
    except ValueError:
        return None


def _as_number(text):
    try:
        return float(text)
    except ValueError:
        return None

"""What is no real number is refused by column, before arrays turn it into one or fail."""

from __future__ import annotations

import datetime
import math
from numbers import Real

import numpy as np

from ..exceptions import UnsupportedValueError
from ._labels import labels_in

_DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
DATE_ADVICE = (
    "turn dates into numbers, such as days since a date, or the hour of the day, for which "
    "TableDensity has periods={column: 24}"
)


def refuse_unreal(X, estimator) -> None:
    """Refuse text, dates and objects in rows of a density of real numbers.

    Parameters
    ----------
    X : object
        Rows as they were given; only tables and arrays of two dimensions are looked at.
    estimator : estimator
        What the rows are for.

    Raises
    ------
    UnsupportedValueError
        If a value is neither a real number nor text that reads as one.
    """
    labels = labels_in(X)
    for j, column in _doubtful_columns(X):
        value = _first_unreal(column)
        if value is None:
            continue
        name = j if labels is None else labels[j]
        what = f"column {name} holds {shown(value)}, {a_kind_of(value)}"
        taker = type(estimator).__name__
        if isinstance(value, str | bytes):
            raise UnsupportedValueError(
                f"{what}, which is no number (could not convert string to float), but {taker} "
                "takes real numbers alone. For text and categories use TableDensity, also as the "
                "density of a detector, or encode the column."
            )
        if is_date(value):
            raise UnsupportedValueError(
                f"{what}, and {taker} takes real numbers alone: {DATE_ADVICE}, or drop the column."
            )
        # scikit-learn's checks know this error by the words that Python has for it.
        raise UnsupportedValueError(
            f"{what}, but each value of this argument must be a string or a real number, and for "
            f"{taker} a number: drop the column, or make columns of numbers of it. For text and "
            "categories use TableDensity."
        )


def is_date(value) -> bool:
    """Whether a value is a date, a time, or a length of time."""
    return isinstance(value, _DATES) or type(value).__name__ == "Period"


def is_missing_value(value) -> bool:
    """Whether a value stands for none."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    # To numpy a length of time is a whole number.
    if isinstance(value, _DATES):
        return False
    return isinstance(value, Real) and math.isnan(value)


def a_kind_of(value) -> str:
    """The type of a value, with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def shown(value) -> str:
    """A value for an error, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _doubtful_columns(X):
    """Positions and values of columns that are not of a type of numbers."""
    if hasattr(X, "get_columns"):
        for j, series in enumerate(X.get_columns()):
            if not (series.dtype.is_numeric() or str(series.dtype) == "Boolean"):
                yield j, np.fromiter(series, dtype=object, count=len(series))
    elif hasattr(X, "iloc"):
        for j, dtype in enumerate(X.dtypes if X.ndim == 2 else []):
            if getattr(dtype, "kind", "O") not in "iufbc":
                yield j, X.iloc[:, j].to_numpy(dtype=object)
    elif not hasattr(X, "toarray"):
        values = _as_array(X)
        if values.ndim == 2 and values.dtype.kind not in "iufbc":
            # As objects, datetimes would become whole numbers.
            parts = list if values.dtype.kind in "mM" else np.ndarray.tolist
            for j, column in enumerate(values.T):
                yield j, parts(column)


def _as_array(X):
    try:
        return np.asarray(X)
    except (TypeError, ValueError):
        # Ragged rows have an error of their own.
        return np.empty(0)


def _first_unreal(column):
    """The first value that is not a real number, or the first date missing if all values are."""
    no_date, no_number = None, True
    for value in column:
        if is_missing_value(value):
            if no_date is None and is_date(value):
                no_date = value
            continue
        if isinstance(value, _DATES):
            return value
        try:
            float(value)
        except (TypeError, ValueError):
            return value
        no_number = False
    return no_date if no_number else None

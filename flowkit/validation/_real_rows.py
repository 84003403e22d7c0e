"""What is no real number is refused by column, before arrays turn it into one or fail."""

from __future__ import annotations

from ..exceptions import InvalidDataError, UnsupportedValueError
from ._containers import container_of
from ._values import DATE_ADVICE, DATES, a_kind_of, is_date, is_missing_value, shown

_OF_TEXT = (
    "For text and categories use TableDensity, also as the density of a detector, or encode the "
    "column."
)


def refuse_unreal(X, estimator, of_text: str = _OF_TEXT, of_dates: str = DATE_ADVICE) -> None:
    """Refuse text, dates and objects in rows of a density of real numbers.

    Parameters
    ----------
    X : object
        Rows as they were given; only tables and arrays of two dimensions are looked at.
    estimator : estimator
        What the rows are for.
    of_text : str, default: what to do before a density
        What to do with text, a sentence.
    of_dates : str, default: what to do before a density
        What to do with dates, the beginning of one.

    Raises
    ------
    UnsupportedValueError
        If a value is neither a real number nor text that reads as one.
    InvalidDataError
        If a whole number is too large for float64.
    """
    container = container_of(X)
    labels = container.labels
    for j, column in container.columns_of_other_types():
        value = _first_unreal(column)
        if value is None:
            continue
        name = j if labels is None else labels[j]
        what = f"column {name} holds {shown(value)}, {a_kind_of(value)}"
        if isinstance(value, int):
            raise InvalidDataError(f"{what}, that float64 cannot hold: rescale the column.")
        taker = type(estimator).__name__
        if isinstance(value, str | bytes):
            raise UnsupportedValueError(
                f"{what}, which is no number (could not convert string to float), but {taker} "
                f"takes real numbers alone. {of_text}"
            )
        if is_date(value):
            raise UnsupportedValueError(
                f"{what}, and {taker} takes real numbers alone: {of_dates}, or drop the column."
            )
        # scikit-learn's checks know this error by the words that Python has for it.
        raise UnsupportedValueError(
            f"{what}, but each value of this argument must be a string or a real number, and for "
            f"{taker} a number: drop the column, or make columns of numbers of it. {of_text}"
        )


def _first_unreal(column):
    """The first value that is not a real number, or the first missing date if all are missing."""
    no_date, no_number = None, True
    for value in column:
        if is_missing_value(value):
            if no_date is None and is_date(value):
                no_date = value
            continue
        if isinstance(value, DATES):
            return value
        try:
            float(value)
        except (TypeError, ValueError, OverflowError):
            return value
        no_number = False
    return no_date if no_number else None

"""Conditions as users give them: values of some columns, or names of columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..exceptions import InvalidDataError, InvalidParameterError
from ..validation import (
    as_floats,
    as_objects,
    container_of,
    is_missing_value,
    keep_types,
    position_of,
    shown,
)


def labels_or_positions(labels, d: int):
    """Labels of d columns, their positions where they have none."""
    return range(d) if labels is None else list(labels)


def positions_of(columns: Any, labels, parameter: str) -> list[int]:
    """Positions of columns, in the order in which they were named.

    Parameters
    ----------
    columns : str, int, or iterable of these
        Names, or positions where no column has such a name.
    labels : sequence
        Labels of all columns; a range where they have none.
    parameter : str
        What holds the columns, for errors.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    InvalidParameterError
        If a column is named twice, or by what can be no name, or values come with names.
    """
    if isinstance(columns, Mapping):
        raise InvalidParameterError(
            f"{parameter} names columns here, whose values are those of the rows, got "
            f"{shown(columns)}: give a list of names."
        )
    alone = isinstance(columns, str) or not isinstance(columns, Iterable)
    alone |= isinstance(columns, tuple) and _can_be_label(columns) and columns in set(labels)
    keys = [columns] if alone else list(columns)
    for key in keys:
        if not _can_be_label(key):
            raise InvalidParameterError(
                f"{parameter} names a column {shown(key)}: give names or positions, not lists of "
                "these within a list."
            )
    found = [position_of(key, labels, parameter) for key in keys]
    repeated = [j for j in found if found.count(j) > 1]
    if repeated:
        raise InvalidParameterError(
            f"{parameter} names column {labels[repeated[0]]!r} twice: name each column once."
        )
    return found


def _can_be_label(key):
    # Tensors can be hashed, but are not equal or unequal to a label.
    if getattr(key, "shape", ()) != ():
        return False
    try:
        hash(key)
    except TypeError:
        return False
    return True


def values_given(given: Any, labels, parameter: str) -> tuple[dict[int, Any], int]:
    """Columns of values that are given, by position, and the number of rows.

    Parameters
    ----------
    given : dict, DataFrame, array-like of shape (n, d), or None
        Values by column; rows of some columns; or rows of all columns, NaN where they are open.
    labels : sequence
        Labels of all columns; a range where they have none.
    parameter : str
        What holds the values, for errors.

    Returns
    -------
    columns : dict of int to ndarray or Series of shape (n,)
        In their own types.
    n : int
        One for a dict, or where nothing is given.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    InvalidDataError
        If rows have another number of columns, or there are none.
    InvalidParameterError
        If a value of a dict is not a single one, or a column is named twice.
    """
    if given is None:
        return {}, 1
    if isinstance(given, Mapping):
        found = positions_of(list(given), labels, parameter)
        values = (_single(key, value, parameter) for key, value in given.items())
        return dict(zip(found, values, strict=True)), 1
    return values_of_rows(given, labels, parameter, "a dict of columns and values, ")


def values_of_rows(
    rows: Any, labels, parameter: str, others: str = ""
) -> tuple[dict[int, Any], int]:
    """Columns of rows, by position, and the number of rows.

    Parameters
    ----------
    rows : DataFrame or array-like of shape (n, d)
        Rows of some columns; or of all columns, NaN where they are open.
    labels, parameter : object
        As in `values_given`.
    others : str, default=''
        What else there might be, for errors.

    Returns
    -------
    columns : dict of int to ndarray or Series of shape (n,)
        In their own types.
    n : int
        Number of rows.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    InvalidDataError
        If rows have another number of columns, or there are none.
    """
    table = container_of(rows)
    if table.is_frame:
        found = positions_of(table.labels, labels, parameter)
        columns = dict(zip(found, table.columns(), strict=True))
    else:
        is_name = isinstance(rows, str | bytes)
        values = np.asarray(rows if is_name else keep_types(rows))
        if values.ndim != 2 or values.shape[1] != len(labels):
            raise InvalidDataError(
                f"{parameter} must be {others}a DataFrame, or rows of shape "
                f"(n, {len(labels)}) with NaN where they are open, got an array of shape "
                f"{values.shape}."
            )
        table, columns = container_of(values), dict(enumerate(values.T))
    if not table.shape[0]:
        raise InvalidDataError(f"{parameter} holds no rows: give at least one.")
    return columns, table.shape[0]


def _single(key, value, parameter):
    column = np.empty(1, dtype=object)
    column[0] = value[()] if isinstance(value, np.ndarray) and not value.ndim else value
    if not isinstance(value, str | bytes) and np.ndim(value):
        raise InvalidParameterError(
            f"{parameter} holds {shown(value)} for column {key!r}, which is not one value: give a "
            "DataFrame for several rows."
        )
    return column


def numbers_given(column: Any, name: str, parameter: str) -> np.ndarray:
    """A column of real numbers in float64, NaN where it is open.

    Parameters
    ----------
    column : ndarray or Series of shape (n,)
        As it was given.
    name : str
        Of the column, for errors.
    parameter : str
        What holds the values, for errors.

    Raises
    ------
    InvalidDataError
        If a value is no finite number.
    """
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iufb":
        numbers = as_floats(column)
    else:
        numbers = np.array([_number(value, name, parameter) for value in as_objects(column)])
    if np.isinf(numbers).any():
        raise InvalidDataError(
            f"{parameter} holds infinity for column {name}: give finite numbers."
        )
    return numbers


def _number(value, name, parameter):
    if is_missing_value(value):
        return np.nan
    try:
        if isinstance(value, str | bytes | complex):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidDataError(
            f"{parameter} holds {shown(value)} for column {name}, which is no real number: "
            "give one, in the units of X."
        ) from None

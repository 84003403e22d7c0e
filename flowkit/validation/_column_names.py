"""Columns by the names or positions that a user gives, and the nearest name where none fits."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

from ..exceptions import UnknownNameError

_MAX_SHOWN = 20


def position_of(key: Any, labels: Sequence, parameter: str) -> int:
    """Position of a column.

    Parameters
    ----------
    key : object
        A label of any type, or a position where no column has such a label.
    labels : sequence
        Labels of the columns; a range where they have none.
    parameter : str
        What holds the key, for errors.

    Returns
    -------
    int
        The position.

    Raises
    ------
    UnknownNameError
        If there is no such column; the message gives the nearest name.
    """
    for j, label in enumerate(labels):
        # True equals 1, but does not name column 1.
        if label == key and isinstance(label, bool) == isinstance(key, bool):
            return j
    n_columns, unnamed = len(labels), isinstance(labels, range)
    if isinstance(key, Integral) and not isinstance(key, bool):
        if 0 <= key < n_columns:
            return int(key)
        raise UnknownNameError(
            f"{parameter} names column {key}, X has columns 0 to {n_columns - 1}"
            + ("." if unnamed else f", whose names are {list(labels)[:_MAX_SHOWN]}.")
        )
    if unnamed:
        raise UnknownNameError(
            f"{parameter} names column {key!r}, but X has no column names: use indices from 0, or "
            "fit a DataFrame."
        )
    raise UnknownNameError(
        f"{parameter} names column {key!r}, which X does not have.{nearest(key, labels)}"
    )


def nearest(key: Any, options: Iterable) -> str:
    """Advice on a name that does not exist: the nearest one, or all.

    Parameters
    ----------
    key : object
        As a user gave it.
    options : iterable
        What there is.
    """
    by_word = {str(option): option for option in options}
    near = difflib.get_close_matches(str(key), by_word, n=1)
    if near:
        return f" Did you mean {by_word[near[0]]!r}?"
    return f" Choose from {list(options)[:_MAX_SHOWN]}."

"""Which columns of a table a model sees, and what they are declared to be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..exceptions import InvalidDataError, InvalidParameterError, UnknownNameError
from ..validation import container_of, labels_of, nearest


@dataclass(frozen=True)
class Selection:
    """A table in parts.

    Parameters
    ----------
    rows : DataFrame or ndarray of shape (n_samples, n_features)
        What the model sees.
    target : sequence or None
        The column that only results keep.
    row_labels : sequence of length n_samples
        What rows are called.
    """

    rows: Any
    target: Any
    row_labels: Any


def select(X, *, target: str | None, drop: list[str], model=None) -> Selection:
    """The columns that a model sees.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        The table.
    target : str or None
        A column that the model does not see.
    drop : list of str
        Columns to leave out.
    model : estimator, default=None
        A fitted one, whose columns are picked by their names.

    Returns
    -------
    Selection
        The parts.

    Raises
    ------
    UnknownNameError
        If X lacks a column.
    InvalidDataError
        If X lacks a column of the model, or no column is left.
    """
    names = names_of(X)
    left_out = {position_in(names, name, "--drop") for name in drop}
    if target is not None:
        left_out.add(position_in(names, target, "--target"))
    kept = [j for j in range(len(names)) if j not in left_out]
    known = None if model is None else labels_of(model)
    if known is not None and container_of(X).labels is not None:
        lacking = [str(name) for name in known if str(name) not in names]
        if lacking:
            raise InvalidDataError(
                f"the table lacks {', '.join(map(repr, lacking))}, which the model was fitted to: "
                f"it has the columns {', '.join(map(repr, names))}."
            )
        kept = [names.index(str(name)) for name in known]
    if not kept:
        raise InvalidDataError("no column is left: --drop and --target leave out all of them.")
    container = container_of(X)
    labels = container.own_labels
    rows = X[:, kept] if labels is None else X[[labels[j] for j in kept]]
    values = None if target is None else container.column(position_in(names, target, "--target"))
    first = 1 if container.labels is None else 0
    row_labels = [label + first for label in container.row_labels]
    return Selection(rows, values, row_labels)


def check_target(target: str | None, results: Iterable[str]) -> None:
    """Refuse a target that is called like a column of the results, which keep it beside theirs.

    Parameters
    ----------
    target : str or None
        The column that only results keep.
    results : iterable of str
        Names of their own columns.

    Raises
    ------
    InvalidParameterError
        If one of them has its name.
    """
    own = list(results)
    if target in own:
        raise InvalidParameterError(
            f"--target {target!r} is called like a column of the results, {', '.join(own)}: rename "
            "it in the table, or leave it out by --drop."
        )


def position_in(names: list[str], name: str, option: str) -> int:
    """Position of a column that an option names.

    Parameters
    ----------
    names : list of str
        Names of all columns.
    name : str
        That of the column.
    option : str
        The option, for errors.

    Raises
    ------
    UnknownNameError
        If there is no such column; the message gives the nearest name.
    """
    if name not in names:
        raise UnknownNameError(
            f"{option} names column {name!r}, which there is none of.{nearest(name, names)}"
        )
    return names.index(name)


def names_of(X) -> list[str]:
    """Names of the columns, x0, x1 and so on where they have none."""
    labels = container_of(X).labels
    n_columns = container_of(X).shape[1]
    return [f"x{j}" for j in range(n_columns)] if labels is None else [str(name) for name in labels]


def declarations(texts: list[str], X) -> dict[str, dict]:
    """Kinds, bounds and periods of columns, as `TableDensity` takes them.

    Parameters
    ----------
    texts : list of str
        Each ``COLUMN=KIND``, ``COLUMN=circular:PERIOD`` or ``COLUMN=KIND:LOW:HIGH``, where either
        bound may be empty.
    X : DataFrame or ndarray of shape (n_samples, n_features)
        The table.

    Returns
    -------
    dict
        The parameters `kinds`, `bounds` and `periods`, by the label of each column, or its position
        where X has no labels.

    Raises
    ------
    UnknownNameError
        If there is no such column or kind.
    InvalidParameterError
        If a text is none of these, a column is named twice, or its kind takes other numbers.

    Examples
    --------
    >>> import numpy as np
    >>> declarations(["x0=circular:360", "x2=bounded:0:"], np.ones((5, 3)))
    {'kinds': {0: 'circular', 2: 'bounded'}, 'bounds': {2: (0.0, inf)}, 'periods': {0: 360.0}}
    """
    told: dict[str, dict] = {"kinds": {}, "bounds": {}, "periods": {}}
    names, container = names_of(X), container_of(X)
    labels = container.labels or range(len(names))
    for text in texts:
        name, equals, declared = text.rpartition("=")
        kind, *numbers = declared.split(":")
        if not equals or not name or not kind:
            raise InvalidParameterError(
                f"--kinds must be COLUMN=KIND, got {text!r}: write, for example, age=integer."
            )
        j = position_in(names, name, "--kinds")
        if labels[j] in told["kinds"]:
            raise InvalidParameterError(
                f"--kinds names column {name!r} twice: give each column one kind."
            )
        if kind not in _NUMBERS:
            raise UnknownNameError(
                f"--kinds {text}: {kind!r} is no kind.{nearest(kind, list(_NUMBERS))}"
            )
        if len(numbers) not in _NUMBERS[kind]:
            form = {1: ":PERIOD", 2: ":LOW:HIGH"}.get(max(_NUMBERS[kind]), "")
            raise InvalidParameterError(f"--kinds {text}: write {name}={kind}{form}.")
        if kind == "date" and getattr(container.column(j).dtype, "kind", "O") != "M":
            raise InvalidParameterError(
                f"--kinds {text}: the column holds other values than dates. Write dates like "
                "2024-12-31."
            )
        told["kinds"][labels[j]] = kind
        if len(numbers) == 1:
            told["periods"][labels[j]] = _period(numbers[0], text)
        elif numbers:
            told["bounds"][labels[j]] = _bounds(numbers, text, whole=kind == "integer")
    return told


# How many numbers may stand behind each kind.
_NUMBERS = {
    "auto": (0,),
    "continuous": (0,),
    "bounded": (2,),
    "integer": (0, 2),
    "categorical": (0,),
    "circular": (1,),
    "spiked": (0, 2),
    "date": (0,),
}


def _period(text, declared):
    period = _number(text, declared)
    if not 0 < period < math.inf:
        raise InvalidParameterError(f"--kinds {declared}: a period is positive and finite.")
    return period


def _bounds(texts, declared, whole):
    ends = zip(texts, (-math.inf, math.inf), strict=True)
    low, high = (_number(text, declared) if text else end for text, end in ends)
    if math.isinf(low) and math.isinf(high):
        raise InvalidParameterError(f"--kinds {declared}: give at least one bound.")
    if not (low <= high if whole else low < high):
        raise InvalidParameterError(f"--kinds {declared}: the bounds must rise.")
    if whole and not all(math.isinf(end) or end.is_integer() for end in (low, high)):
        raise InvalidParameterError(f"--kinds {declared}: bounds of integers are whole numbers.")
    return low, high


def _number(text, declared):
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InvalidParameterError(f"--kinds {declared}: {text!r} is no number.")
    return number

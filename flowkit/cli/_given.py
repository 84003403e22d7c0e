"""Values of columns that text on the command line stands for."""

from __future__ import annotations

import math
import re
from inspect import signature
from numbers import Number
from typing import Any

import numpy as np

from ..exceptions import InvalidParameterError
from ..nested import find
from ..validation import labels_of, nearest
from ._columns import position_in
from ._tables import ISO_DATE


def values_given(texts: list[str], model) -> dict[Any, Any]:
    """Values of columns, as `sample` of a model takes them.

    Parameters
    ----------
    texts : list of str
        Each ``COLUMN=VALUE``: a level of the column as a table of draws shows it, a date in ISO
        format, or a number.
    model : estimator
        A fitted one, which is to be drawn from.

    Returns
    -------
    dict
        Values by the label of their column, or its position where columns have none.

    Raises
    ------
    UnknownNameError
        If there is no such column.
    InvalidParameterError
        If a text is no such pair, a column is named twice or has no such value, all columns are
        named, or the model cannot be drawn from given values.
    """
    if "given" not in signature(model.sample).parameters:
        raise InvalidParameterError(
            f"{type(model).__name__} draws whole rows only: leave out --given."
        )
    known = labels_of(model)
    labels = range(model.n_features_in_) if known is None else list(known)
    names = [f"x{j}" for j in labels] if known is None else [str(label) for label in labels]
    levels, kinds = _described(model)
    values: dict[Any, Any] = {}
    for text in texts:
        name, equals, _ = text.partition("=")
        if not equals or not name:
            raise InvalidParameterError(f"--given must be COLUMN=VALUE, got {text!r}.")
        # Names may hold what separates them from values.
        name = max((n for n in names if text.startswith(f"{n}=")), key=len, default=name)
        value = text[len(name) + 1 :]
        j = position_in(names, name, "--given")
        label = labels[j]
        if label in values:
            raise InvalidParameterError(
                f"--given names column {name!r} twice: give each column one value."
            )
        if label in levels:
            values[label] = _level(value, levels[label].tolist(), name)
        elif kinds and kinds[j] == "date":
            values[label] = _date(value, name)
        else:
            values[label] = _finite(value, name)
    if len(values) == len(names):
        raise InvalidParameterError(
            "--given names all columns, so that nothing is left to draw: leave out some."
        )
    return values


def _described(model):
    """Levels of columns by their labels, and kinds of all columns, of models of tables."""
    found = find(model, "categories_")
    if found.transformers or not hasattr(found.estimator, "categories_"):
        return {}, None
    return found.estimator.categories_, found.estimator.kinds_


def _level(text, levels, name):
    # Text of a level comes first: '007' and '7' may both be levels.
    found = [level for level in levels if str(level) == text]
    found = found or [level for level in levels if _reads_as(text, level)]
    if not found:
        raise InvalidParameterError(
            f"--given {name}={text}: the column has no level {text!r}.{nearest(text, levels)}"
        )
    if len(found) > 1:
        raise InvalidParameterError(
            f"--given {name}={text} may mean any of {found}: use TableDensity.sample in Python."
        )
    return found[0]


def _reads_as(text, level):
    """Whether a text stands for a level that is a number, or true or false."""
    if isinstance(level, bool) and text.casefold() == str(level).casefold():
        return True
    return isinstance(level, Number) and _number(text) == level


def _date(text, name):
    if not re.fullmatch(ISO_DATE, text):
        raise InvalidParameterError(
            f"--given {name}={text}: the column holds dates. Write one like 2024-12-31."
        )
    try:
        np.datetime64(text)
    except ValueError as error:
        raise InvalidParameterError(
            f"--given {name}={text}: there is no such day or time."
        ) from error
    return text


def _finite(text, name):
    number = _number(text)
    if number is None or not math.isfinite(number):
        raise InvalidParameterError(
            f"--given {name}={text}: the column holds numbers. Give a finite one, or leave the "
            "column out if it is not known."
        )
    return number


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None

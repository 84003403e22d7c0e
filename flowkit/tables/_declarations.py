"""What a user declares of the columns of a table, matched with the columns and completed."""

from __future__ import annotations

from collections.abc import Mapping

from ..exceptions import InvalidDataError, InvalidParameterError, UnknownNameError
from ..validation import nearest, position_of
from ._column_kinds import KINDS, ColumnKind, Evidence


def settle_kinds(columns, labels, kinds, bounds, periods) -> list[ColumnKind]:
    """Kind of each column, from what was declared and from what it holds.

    Parameters
    ----------
    columns : list of RawColumn
        The columns.
    labels : sequence or None
        Labels of the columns, which keys name first; positions are keys where no label is one.
    kinds : 'auto', dict, or sequence of str
        What was declared; a dict maps columns to kinds.
    bounds : dict, 'seen' or None
        Column to ``(low, high)`` or 'seen'; 'seen' alone is for all integer columns.
    periods : dict or None
        Column to period or ``(start, period)``.

    Raises
    ------
    InvalidParameterError
        If a declaration is incomplete, contradicts another or names no column or kind.
    InvalidDataError
        If a column cannot be what it was declared to be.
    """
    labels = range(len(columns)) if labels is None else list(labels)
    if isinstance(kinds, str):
        kinds = {}
    elif not isinstance(kinds, Mapping):
        if len(kinds) != len(columns):
            raise InvalidParameterError(
                f"kinds has {len(kinds)} entries, X has {len(columns)} columns: give one kind for "
                "each column, or a dict of those that are not 'auto'."
            )
        kinds = dict(zip(labels, kinds, strict=True))
    all_as_seen = isinstance(bounds, str)
    kinds = _by_position("kinds", kinds, labels)
    bounds = _by_position("bounds", {} if all_as_seen else bounds or {}, labels)
    periods = _by_position("periods", periods or {}, labels)
    settled = [
        _settle(column, str(label), kinds.get(j, "auto"), bounds.get(j), periods.get(j))
        for j, (column, label) in enumerate(zip(columns, labels, strict=True))
    ]
    if all_as_seen:
        return [kind.within_seen(column) for kind, column in zip(settled, columns, strict=True)]
    return settled


def _settle(column, name, kind, bounds, period):
    if column.missing.all():
        raise InvalidDataError(f"column {name} holds no value at all: drop it.")
    if kind not in ("auto", *KINDS):
        raise UnknownNameError(
            f"kinds takes column {name} for {kind!r}, which is no kind."
            f"{nearest(kind, ('auto', *KINDS))}"
        )
    if bounds is not None and period is not None:
        raise InvalidParameterError(
            f"column {name} has both bounds and a period: a circular column has no bounds."
        )
    if isinstance(bounds, str) and bounds != "seen":
        raise InvalidParameterError(
            f"bounds of column {name} must be (low, high) or 'seen', got {bounds!r}."
        )
    kind, why = _recognise(column, bounds, period) if kind == "auto" else (KINDS[kind], "declared")
    return kind.settle(column, name, why, bounds, period)


def _recognise(column, bounds, period):
    """Kind of a column for which none was declared, and why."""
    evidence = Evidence(column, bounds, period)
    reasons = ((kind, kind.recognise(evidence)) for kind in KINDS.values())
    return next((kind, why) for kind, why in reasons if why is not None)


def _by_position(parameter, declared, labels):
    by_position = {}
    for key, value in declared.items():
        j = position_of(key, labels, parameter)
        if j in by_position:
            raise InvalidParameterError(f"{parameter} declares column {key!r} twice.")
        by_position[j] = value
    return by_position

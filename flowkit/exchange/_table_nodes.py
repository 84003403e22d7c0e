"""Tables of numbers as nodes of a graph: the maps of their columns, and their volume."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..exceptions import NotExportableError
from ..tables import TableDensity
from ._graph import Value
from ._rules import DENSITIES

# Kinds of columns whose values are single points of the density.
_KINDS = ("bounded", "circular", "continuous", "integer")


@DENSITIES.of(TableDensity)
def _table(table, x):
    _refuse_cells(table)
    columns = []
    for j, (kind, codec) in enumerate(zip(table.kinds_, table._codecs, strict=True)):
        rule = _angle if kind == "circular" else _number
        columns.append(rule(codec, x.take([j])))
    points, log_volumes, inside = (part[0].beside(*part[1:]) for part in zip(*columns, strict=True))
    log_density = log_volumes.sum(1) + _over_turns(table, points)
    return inside.all(1).where(log_density, -np.inf)


def _refuse_cells(table):
    """Refuse columns whose values stand for cells, over which densities are averaged."""
    for name, kind, codec in zip(table._names(), table.kinds_, table._codecs, strict=True):
        if kind in _KINDS and not codec.fills_cells(table.cells == "probability"):
            continue
        if kind == "integer":
            remedy = "Fit the table with cells='density'"
        else:
            remedy = "Encode it as numbers and declare it continuous, or leave it out"
        raise NotExportableError(
            "expected a TableDensity whose columns are continuous, bounded, circular or integers "
            f"with cells='density', got column {name}, {kind} with cells={table.cells!r}, whose "
            f"values are averages over cells. {remedy}, or keep the table in a file by "
            "flowkit.save."
        )


def _over_turns(table, points):
    """Log density of encoded points, summed over turns of circular columns."""
    turns = np.array(list(itertools.product(*(codec.shifts for codec in table._codecs))))
    if len(turns) == 1:
        return DENSITIES(table.density_, points)
    turned = (points.expanded(1) + turns).reshaped(-1, turns.shape[1])
    return DENSITIES(table.density_, turned).reshaped(-1, len(turns)).logsumexp(1)


def _number(codec, x: Value):
    """Encoded numbers, the log volume of a unit around each, and whether they are possible."""
    low, high = codec._edges
    inside = (x >= codec.low) & (x <= codec.high)
    if codec.whole:
        is_whole = x.graph.add("Floor", x).equals(x)
        inside = inside & is_whole & (x > low) & (x < high)
    else:
        first, last = codec._inside
        x = x.equals(low).where(first, x.equals(high).where(last, x))
    from_low, from_high = map(math.isfinite, (codec.low, codec.high))
    below = (x - low).log() if from_low else None
    above = (high - x).log() if from_high else None
    if from_low and from_high:
        return below - above, math.log(high - low) - below - above, inside
    if from_low:
        return below, -below, inside
    if from_high:
        return -above, -above, inside
    return x, 0.0 * x, inside


def _angle(codec, x: Value):
    """Angles within the period that begins at the cut."""
    turned = x.graph.add("Mod", x - codec.cut, codec.period, fmod=1)
    turned = turned + (turned < 0.0).where(codec.period, 0.0)
    return turned + codec.cut, 0.0 * x, x.is_finite()

"""The default densities of the detector as nodes of a graph: its views of a table of numbers."""

from __future__ import annotations

import math

import numpy as np

from ..exceptions import NotExportableError
from ..outliers.views import (
    DependenceForest,
    LevelsAsColumns,
    NormalScores,
    RankedNeighbors,
    SingleColumns,
)
from ..outliers.views.neighbours import LEAST_RADIUS
from ..outliers.views.single_columns import ROUNDING, Levels
from ._graph import Value
from ._rules import DENSITIES
from ._search_nodes import SortedColumns, interpolated
from ._tree_nodes import mean_leaf_values


@DENSITIES.of(LevelsAsColumns)
def _levels_as_columns(density, x):
    return DENSITIES(density.density_, level_columns(density._columns, x))


@DENSITIES.of(RankedNeighbors)
def _ranked_neighbors(view, x):
    rows, k = view._rows, view.n_neighbors
    m, d = rows.shape
    z = normal_scores(view._normal_scores, level_columns(view._columns, x))
    squares = z.square().sum(1, keepdims=True) + (rows**2).sum(1) - 2.0 * (z @ rows.T)
    nearest = _smallest(squares, min(k + 1, m), places=True)
    # Squares by products have lost digits.
    gaps = z.graph.value(rows).entries(nearest) - z.expanded(1)
    distances = _smallest(gaps.square().sum(2).sqrt(), min(k + 1, m))
    if m <= k:
        distances = distances.beside(distances.take([0] * (k + 1 - m)) * 0.0 + np.inf)
    # A row that is one of them is no neighbour of itself.
    itself = distances.take([0]).equals(0.0)
    distances = itself.where(distances.take(range(1, k + 1)), distances.take(range(k)))
    found = distances < np.inf
    counted = found.cast("DOUBLE").sum(1).maximum(1.0)
    radius = (found.where(distances, 0.0).sum(1) / counted).maximum(LEAST_RADIUS)
    log_ball = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1)
    return (counted / float(m)).log() - log_ball - float(d) * radius.log()


def _smallest(x, k, places=False):
    """The k smallest values of each row in order, or their places."""
    return x.graph.add("TopK", x, np.array([k]), largest=0, n_outputs=2, read=int(places))


@DENSITIES.of(DependenceForest)
def _forest(view, x):
    if not view.estimators_:
        return 0.0 * x.sum(1)
    if view._factors is None:
        raise NotExportableError(
            "this DependenceForest was fitted by an earlier version of flowkit, whose look-up of "
            "training rows no model has: fit it again."
        )
    n = len(view.estimators_)
    # Trees compare numbers of single precision.
    z = normal_scores(view._normal_scores, x).cast("FLOAT").cast("DOUBLE")
    share = mean_leaf_values(view.estimators_, z)
    share = (share * float(n) + 0.5) / float(n + 1)
    scores = (share / (1.0 - share)).log()
    halves = [one.halves for one in view._normal_scores._maps]
    places, known = SortedColumns(x.graph, halves).find(0.5 * x)
    keys = places.cast("DOUBLE") @ view._factors[:, None]
    table = SortedColumns(x.graph, [view._keys])
    place, has_key = table.find(keys)
    known = known.all(1, keepdims=True) & has_key
    scores = known.where(table.values([view._known])(place), scores)
    return scores.reshaped(-1)


@DENSITIES.of(SingleColumns)
def _single_columns(view, x):
    parts = []
    for is_level, rule in ((False, _isolated_numbers), (True, _rare_levels)):
        chosen = [j for j, one in enumerate(view._columns) if isinstance(one, Levels) == is_level]
        if chosen:
            parts.append(rule([view._columns[j] for j in chosen], x.take(chosen)))
    scores = parts[0].beside(*parts[1:])
    return scores.min(1)


def _isolated_numbers(columns, x):
    """Logarithms of the shares of training values that are as isolated, of several columns."""
    half, k = 0.5 * x, float(columns[0]._k)
    inner = [column._halves[1:-1] for column in columns]
    table = SortedColumns(x.graph, inner)
    halves = table.values([column._halves for column in columns], fill=np.inf)
    counts = table.values([column._counts for column in columns])
    last = np.array([[len(column._halves) - 1 for column in columns]])
    # What is below a value that is there, and the value itself.
    left = table.count(half) - table.find(half)[1].cast("INT64")
    right = (left + 1).minimum(last)
    total, missing = 0.0 * half, 0.0 * half + k
    for _ in range(max(_n_values_needed(column) for column in columns)):
        at_left, at_right = halves(left), halves(right)
        to_left, to_right = half - at_left, at_right - half
        is_left = to_left < to_right
        distance = to_left.minimum(to_right)
        others = counts(is_left.where(left, right))
        others = others - is_left.where(at_left, at_right).equals(half).cast("DOUBLE")
        used = others.maximum(0.0).minimum(missing)
        total = total + (used > 0.0).where(distance, 0.0) * (used / k)
        missing = missing - used
        step = is_left.cast("INT64")
        left, right = left - step, (right + 1 - step).minimum(last)
    isolation = total * (k / (k - missing))
    shares = [column._shares for column in columns]
    largest = np.array([[share.largest for share in shares]])
    units = np.array([[column._unit for column in columns]])
    beyond = log_beyond((isolation - largest).maximum(0.0), units)
    return _log_shares(shares, isolation - ROUNDING * x.abs()) - beyond


def _n_values_needed(column):
    """How many values next to each other hold enough rows, wherever they are."""
    counts = column._counts[1:-1]
    below = np.concatenate([[0.0], np.cumsum(counts)])
    n = 1
    while n < len(counts) and (below[n:] - below[:-n]).min() < column._k + 1:
        n += 1
    return n


def _rare_levels(columns, x):
    """Logarithms of the shares of training rows whose levels are as rare, of several columns."""
    levels = [column._levels for column in columns]
    table = SortedColumns(x.graph, levels)
    place, known = table.find(x)
    count = known.where(table.values([column._counts for column in columns])(place), 0.0)
    return _log_shares([column._shares for column in columns], -(count - 1.0).maximum(0.0))


def _log_shares(shares, isolation):
    table = SortedColumns(isolation.graph, [share._isolation for share in shares])
    place = table.count(isolation, strict=True)
    return table.values([share._log_shares for share in shares])(place)


def normal_scores(scores: NormalScores, x: Value) -> Value:
    """Columns mapped onto a standard normal by their ranks among training rows.

    Parameters
    ----------
    scores : NormalScores
        The maps.
    x : Value of shape (n, d)
        Rows.

    Returns
    -------
    Value of shape (n, d)
        Normal scores.
    """
    half, maps = 0.5 * x, scores._maps
    inside = interpolated(half, [one.halves for one in maps], [one.scores for one in maps])
    last = np.array([[one.halves[-1] for one in maps]])
    first = np.array([[one.halves[0] for one in maps]])
    above = log_beyond((half - last).maximum(0.0), np.array([[one.above for one in maps]]))
    below = log_beyond((first - half).maximum(0.0), np.array([[one.below for one in maps]]))
    return inside + above - below


def log_beyond(distance: Value, units: np.ndarray) -> Value:
    """``log(1 + distance / unit)`` of each column, which stays finite.

    Parameters
    ----------
    distance : Value of shape (n, d)
        Distances, not negative.
    units : ndarray of shape (1, d)
        Lengths that count as far.
    """
    units = np.maximum(units, np.finfo(np.float64).tiny)
    ratio = distance / units
    far = distance.maximum(units).log() - np.log(units)
    return (ratio < np.inf).where((ratio + 1.0).log(), far)


def level_columns(columns, x: Value) -> Value:
    """Columns of numbers as they are, and columns of zeros and ones for levels.

    Parameters
    ----------
    columns : LevelColumns
        What codes of levels become.
    x : Value of shape (n, d)
        Rows.
    """
    if not columns._is_level.any():
        return x
    parts = [x.take(np.flatnonzero(~columns._is_level))] if not columns._is_level.all() else []
    for j, (codes, others) in zip(np.flatnonzero(columns._is_level), columns._codes, strict=True):
        known = x.take([j]).equals(codes[None]).cast("DOUBLE")
        parts.append(known)
        if others:
            parts.append(1.0 - known.max(1, keepdims=True))
    return parts[0].beside(*parts[1:])

"""Sorted numbers of several columns, in which a graph finds values by halving."""

from __future__ import annotations

import numpy as np

from ._graph import Graph, Value


class SortedColumns:
    """Sorted numbers of each column, and values that go with them.

    Columns are as long as a power of two, so that one node a halving serves all of them.

    Parameters
    ----------
    graph : Graph
        Where they are looked up.
    columns : list of ndarray
        Sorted numbers of each column.
    """

    def __init__(self, graph: Graph, columns):
        self._graph = graph
        # Two places more, as values lie between numbers and beyond both ends.
        self._n_steps = int(max(map(len, columns)) + 1).bit_length()
        self._start = np.arange(len(columns))[None] << self._n_steps
        self._numbers = self._flat(columns, np.inf)

    def count(self, x: Value, strict: bool = False) -> Value:
        """How many numbers of its column are at most each value, or `strict` less than it.

        Parameters
        ----------
        x : Value of shape (n, d)
            A column of values for each column.
        strict : bool, default=False
            Whether equal numbers do not count.
        """
        found = None
        for step in 2 ** np.arange(self._n_steps)[::-1]:
            # All before the number that is looked at are counted if it is.
            place = self._start + step - 1
            number = self._numbers.entries(place if found is None else found + place)
            counts = number < x if strict else number <= x
            gain = counts.cast("INT64") * step
            found = gain if found is None else found + gain
        return found

    def find(self, x: Value) -> tuple[Value, Value]:
        """Where each value is among the numbers of its column, and whether it is one of them.

        Parameters
        ----------
        x : Value of shape (n, d)
            A column of values for each column, whose numbers differ.
        """
        place = (self.count(x) - 1).maximum(0)
        return place, self._numbers.entries(place + self._start).equals(x)

    def values(self, columns, fill: float = 0.0):
        """What looks up values of each column by their places.

        Parameters
        ----------
        columns : list of ndarray
            Values of each column, at most two more than it has numbers.
        fill : float, default=0.0
            What is found beyond them.

        Returns
        -------
        callable
            Of places (n, d), gives values (n, d).
        """
        flat = self._flat(columns, fill)
        return lambda place: flat.entries(place + self._start)

    def _flat(self, columns, fill):
        table = np.full((len(columns), 1 << self._n_steps), fill)
        for row, column in zip(table, columns, strict=True):
            row[: len(column)] = column
        return self._graph.value(table.ravel())


def interpolated(x: Value, knots, heights) -> Value:
    """Piecewise linear functions of columns, constant beyond their knots, as `numpy.interp`.

    Parameters
    ----------
    x : Value of shape (n, d)
        Values.
    knots, heights : list of ndarray
        Sorted arguments and what the function of each column is there.
    """
    table = SortedColumns(x.graph, knots)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        slopes = [np.diff(high) / np.diff(knot) for knot, high in zip(knots, heights, strict=True)]
    # Between equal numbers, or the smallest ones, there is no slope.
    slopes = [np.where(np.isfinite(slope), slope, 0.0) for slope in slopes]
    first = np.array([knot[0] for knot in knots])[None]
    last = np.array([knot[-1] for knot in knots])[None]
    # What columns are filled up with counts where values are infinite.
    place = table.count(x).minimum(np.array(list(map(len, knots)))[None])
    start = table.values([np.append(knot[0], knot) for knot in knots])(place)
    height = table.values([np.append(high[0], high) for high in heights])(place)
    slope = table.values([np.r_[0.0, slope, 0.0] for slope in slopes])(place)
    # Infinite values times a slope of zero would be no number.
    return slope * (x.maximum(first).minimum(last) - start) + height

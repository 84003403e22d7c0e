"""Maps of single columns of a mixed table onto columns that a continuous density models.

A value of a discrete column is a cell of the encoded axis; a point of the unit interval gives the
location within the cell. Every map counts its own volume, so that integrals and sums stay exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Number
from typing import Any, Literal

import numpy as np
from scipy.special import betaincinv, expit, ndtr, ndtri

from ..columns import tie_spacing
from ..validation import middle_of, shown
from ._column_lattice import Lattice, is_whole
from ._column_reading import RawColumn
from ._number_ends import next_to_bounds, reach_in_words, within_limits

# Keeps points of the unit interval off its ends, where encoded columns are infinite.
_EDGE = 1e-12
# Rows added to each level, so that a level never seen keeps a cell.
_SMOOTHING = 0.5
# Levels of a column that those of others are compared by.
_MAX_INDICATORS = 30
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
# Exponentials of more have no square.
_LARGEST_LOG = 300.0
# Levels that a description and an error tell.
_MAX_SHOWN, _MAX_TOLD = 8, 20
_MOST_CHARACTERS = 40


class Codec:
    """Base class of the maps of one column.

    Subclasses implement ``_points(x, u)``, ``contains(x, by_cell)``, ``decode(y)``, ``features(x)``
    and ``details()``, and set ``typical``, any value within the support. With `by_cell` only values
    that have a cell of their own are contained.
    """

    # Whether values are cells to choose a location within: never, always, or where the
    # probability of the cell is asked for.
    cells: Literal["never", "always", "on_request"] = "never"
    # Shifts of the encoded column over which its density is summed.
    shifts: tuple[float, ...] = (0.0,)
    # Categories in their order on the axis, of columns that have some.
    levels: list | None = None
    # Whether drawn values have the type of the column, and not float64.
    keeps_type: bool = False
    # Whether the encoded values repeat, as far apart as cells are wide.
    has_even_ties: bool = False
    # Whether training rows are rare at the ends of cells.
    ends_are_rare: bool = False
    # Whether values are dates.
    is_date: bool = False
    typical: float

    def fills_cells(self, by_cell: bool) -> bool:
        """Whether scores average over cells, by whether probabilities of cells are asked for."""
        return self.cells == "always" or (by_cell and self.cells == "on_request")

    def spans_cells(self, x: np.ndarray, by_cell: bool) -> np.ndarray:
        """Which values average over a cell, by whether probabilities of cells are asked for."""
        return np.full(len(x), self.fills_cells(by_cell))

    def cell_ends(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the cells of values begin and end on the encoded axis; columns with cells have it.

        Parameters
        ----------
        x : ndarray of shape (n,)
            Values that have a cell.
        """
        raise NotImplementedError

    def opened(self, x: np.ndarray) -> np.ndarray:
        """Values on an axis where each has one place."""
        return x

    def locations(self, ranks: np.ndarray) -> np.ndarray:
        """Where training rows lie within their cells, by their uniform ranks there."""
        return ranks

    def is_fine(self, n_cells: int) -> bool:
        """Whether values are real, or spread over more than so many cells."""
        return True

    def without_spikes(self, x: np.ndarray) -> np.ndarray:
        """Those of some numbers that have no probability of their own."""
        return x

    def read(self, column: RawColumn) -> np.ndarray | None:
        """A column as float64, NaN where values are missing; None if it cannot be read."""
        return column.numbers()

    def draw(self, y: np.ndarray) -> np.ndarray:
        """Encoded draws as numbers; levels that no training row has give way to neighbours."""
        return self.decode(y)

    def values(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        """Encoded draws as values of the column, whose type is `dtype`."""
        return self.typed(self.draw(y), dtype)

    def typed(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """Numbers, levels by their position, as values of the column, whose type is `dtype`."""
        return x

    def fits(self, x: np.ndarray, dtype: Any) -> np.ndarray:
        """Which numbers stay as they are as values of the column, whose type is `dtype`."""
        return np.ones(len(x), dtype=bool)

    def in_units(self, x: np.ndarray) -> np.ndarray:
        """Numbers, such as quantiles, as users read them: those of dates as dates."""
        return x

    def support(self) -> str:
        """What values may be, in words."""
        return "numbers"

    def summary(self, draws: np.ndarray, statistic: str) -> np.ndarray:
        """What stands for draws of values.

        Parameters
        ----------
        draws : ndarray of shape (n_draws, n)
            Numbers, levels by their position.
        statistic : {'mean', 'median'}
            What of the draws.

        Returns
        -------
        ndarray of shape (n,)
            Possible values of the column.
        """
        return middle_of(draws, statistic)

    def points(self, x: np.ndarray, u: np.ndarray | None):
        """Encoded points, and the log volume that each stands for.

        Parameters
        ----------
        x : ndarray of shape (n,)
            Values within the support, NaN where missing.
        u : ndarray of shape (S,) or (n, 1), or None
            Locations within the cell, in the unit interval; None takes the middle of a cell, and
            its density for its volume.

        Returns
        -------
        y : ndarray of shape (n, S) or (n, 1)
            Encoded points, NaN where x is.
        log_volume : ndarray of that shape
            Log of the volume in the encoded column, per unit of x or per cell; 0 where x is
            missing.
        """
        known = ~np.isnan(x)[:, None]
        u = None if u is None else np.clip(u, _EDGE, 1 - _EDGE)
        y, log_volume = self._points(np.where(known, x[:, None], self.typical), u)
        return np.where(known, y, np.nan), np.where(known, log_volume, 0.0)


@dataclass(frozen=True)
class Decoder:
    """The way back from encoded rows to numbers, levels by their position.

    Parameters
    ----------
    codecs : list of Codec
        Maps of the columns.
    """

    codecs: list[Codec]

    def __call__(self, encoded: np.ndarray) -> np.ndarray:
        """Decoded rows."""
        columns = zip(self.codecs, encoded.T, strict=True)
        return np.column_stack([codec.decode(y) for codec, y in columns])


class NumericCodec(Codec):
    """Base class of the maps of numbers, with ``low``, ``high``, ``whole`` and ``_lattice``."""

    def typed(self, x, dtype):
        return within_limits(x, dtype) if self.whole else x

    def fits(self, x, dtype):
        return self.typed(x, dtype) == x

    def summary(self, draws, statistic):
        middle = super().summary(draws, statistic)
        return self._lattice.nearest(middle, self.low, self.high) if self.whole else middle


class NumberCodec(NumericCodec):
    """A real or whole number, on the line or within bounds.

    Within one bound, the encoded column is the log of the distance from it; within two, the
    difference of both logs. Where the training values lie on a lattice, decoded ones do too.

    Parameters
    ----------
    low, high : float
        Bounds, infinite where the support is open.
    whole : bool
        Whether only whole numbers occur. Each is a cell as wide as their distance: one, unless
        many of them repeat and their differences have a common divisor.
    x : ndarray of shape (n,)
        Training values, NaN where missing.
    """

    def __init__(self, low: float, high: float, whole: bool, x: np.ndarray):
        known = x[~np.isnan(x)]
        self.low, self.high, self.whole = low, high, whole
        self.cells = "on_request" if whole else "never"
        self.keeps_type = whole
        self.typical = float(known[0])
        self._spacing = tie_spacing(known)
        if whole:
            self._lattice = Lattice.of_whole(known)
            self._width = self._lattice.distance
            first, last = self._lattice.ends(low, high)
            self._edges = first - self._width / 2, last + self._width / 2
        else:
            self._lattice = Lattice.of_real(known, self._spacing)
            self._edges = low, high
        self._bounded = math.isfinite(low), math.isfinite(high)
        self._inside = next_to_bounds(known, low, high)
        self._seen = float(known.min()), float(known.max()), len(np.unique(known))

    @property
    def has_even_ties(self) -> bool:
        return self.whole and not any(self._bounded) and self._spacing == self._width

    def is_fine(self, n_cells: int) -> bool:
        first, last, n_values = self._seen
        return not self.whole or min(n_values, (last - first) / self._width) > n_cells

    def contains(self, x: np.ndarray, by_cell: bool = False) -> np.ndarray:
        inside = (x >= self.low) & (x <= self.high)
        if not self.whole:
            return inside
        if by_cell:
            return inside & is_whole(x) & self._lattice.contains(x)
        return inside & is_whole(x) & (x > self._edges[0]) & (x < self._edges[1])

    def _points(self, x, u):
        if not self.whole or u is None:
            return self._encode(x)
        y, log_volume = self._encode(x + self._width * (u - 0.5))
        return y, log_volume + math.log(self._width)

    def _encode(self, t):
        """Encoded numbers, and the log volume of a unit around each."""
        low, high = self._edges
        if not self.whole:
            t = np.where(t == low, self._inside[0], np.where(t == high, self._inside[1], t))
        below, above = np.log(t - low), np.log(high - t)
        if all(self._bounded):
            return below - above, math.log(high - low) - below - above
        if self._bounded[0]:
            return below, -below
        if self._bounded[1]:
            return -above, -above
        return t, np.zeros_like(t)

    def cell_ends(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(divide="ignore"):
            return tuple(self._encode(x + side * self._width / 2)[0] for side in (-1, 1))

    def decode(self, y: np.ndarray) -> np.ndarray:
        low, high = self._edges
        if all(self._bounded):
            t = low + (high - low) * expit(y)
        elif self._bounded[0]:
            t = low + np.exp(np.minimum(y, _LARGEST_LOG))
        elif self._bounded[1]:
            t = high - np.exp(np.minimum(-y, _LARGEST_LOG))
        else:
            t = y
        if self._lattice is None:
            return np.clip(t, self.low, self.high)
        return self._lattice.nearest(t, self.low, self.high)

    def support(self):
        apart = self._width if self.whole else 1
        return self._values() + reach_in_words(self.low, self.high, apart, self.told)

    def told(self, x: float) -> str:
        """A number as users read it."""
        return f"{x:.10g}"

    def _values(self):
        return "whole numbers" if self.whole else "numbers"

    def upper_ends(self, x: np.ndarray) -> np.ndarray:
        """Encoded ends of all whose decoded values are at most x, infinite outside the support."""
        end, (low, high) = x, self._edges
        if self._lattice is not None:
            first, last = self._lattice.ends(self.low, self.high)
            below = self._lattice.below(x)
            # The outermost values take all beyond them.
            beyond = np.where(below < first, -np.inf, np.where(below >= last, np.inf, np.nan))
            half = self._lattice.distance / 2
            end = np.where(np.isnan(beyond), below + half, beyond) if first <= last else x
        outside = np.where(end <= low, -np.inf, np.where(end >= high, np.inf, np.nan))
        encoded = self._encode(np.where(np.isnan(outside), end, np.nan))[0]
        return np.where(np.isnan(outside), encoded, outside)

    def features(self, x: np.ndarray) -> np.ndarray:
        return self.points(x, None)[0]

    def details(self) -> str:
        first, last, n_values = self._seen
        text = f"{first:.6g} to {last:.6g}, {n_values} values"
        apart = self._width if self.whole and self._width > 1 else self._spacing
        if apart:
            text += f", which repeat {apart:.6g} apart"
        if any(self._bounded):
            text += f", bounds {self.low:.6g} and {self.high:.6g}"
        return text


class LevelCodec(Codec):
    """A category: the normal quantiles between two cumulative frequencies.

    Parameters
    ----------
    levels : list
        Categories in the order in which they stand on the axis.
    counts : ndarray of shape (K,)
        Weight of the training rows of each.
    are_ordered : bool, default=False
        Whether their type gives them this order.
    """

    cells = "always"
    ends_are_rare = True
    keeps_type = True
    typical = 0.0
    # Files of older versions do not say.
    are_ordered = False

    def __init__(self, levels: list, counts: np.ndarray, are_ordered: bool = False):
        self.levels, self.counts, self.are_ordered = levels, counts, are_ordered
        self.frequencies = (counts + _SMOOTHING) / (counts + _SMOOTHING).sum()
        self._edges = np.append(0.0, self.frequencies.cumsum())

    @classmethod
    def of_codes(
        cls, levels: list, codes: np.ndarray, weight: np.ndarray, are_ordered: bool = False
    ) -> LevelCodec:
        """Codec of levels by the code of each training row, NaN where it is missing."""
        known = ~np.isnan(codes)
        counts = np.bincount(codes[known].astype(int), weight[known], len(levels))
        return cls(levels, counts, are_ordered)

    def reordered(self, order: np.ndarray) -> LevelCodec:
        """The codec of the same levels in another order."""
        return LevelCodec([self.levels[k] for k in order], self.counts[order])

    @property
    def level_values(self) -> np.ndarray:
        """Levels as an array: of numbers or booleans where all are, else of objects."""
        numeric = all(isinstance(level, Number) for level in self.levels)
        array = np.array(self.levels) if numeric else None
        if array is not None and array.ndim == 1 and array.dtype.kind in "iufb":
            return array
        array = np.empty(len(self.levels), dtype=object)
        array[:] = self.levels
        return array

    def locations(self, ranks: np.ndarray) -> np.ndarray:
        # Rare at the ends: a smooth density cannot jump from one level to the next.
        return betaincinv(2, 2, ranks)

    def cell_ends(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges = np.append(ndtri(self._edges[:-1]), np.inf)
        return edges[x.astype(int)], edges[x.astype(int) + 1]

    def contains(self, x: np.ndarray, by_cell: bool = False) -> np.ndarray:
        return x >= 0

    def _points(self, x, u):
        level = x.astype(int)
        share = self.frequencies[level]
        u = 0.5 if u is None else u
        y = ndtri(np.clip(self._edges[level] + share * u, _EDGE, 1 - _EDGE))
        return y, np.log(share) + 0.5 * y**2 + _LOG_SQRT_2PI

    def decode(self, y: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._edges[1:-1], ndtr(y), side="right").astype(np.float64)

    def draw(self, y: np.ndarray) -> np.ndarray:
        level, seen = self.decode(y).astype(int), np.flatnonzero(self.counts)
        nearest = seen[np.abs(np.arange(len(self.counts))[:, None] - seen).argmin(1)]
        return nearest[level].astype(np.float64)

    def read(self, column):
        return column.codes(self.levels)

    def typed(self, x, dtype):
        return self.level_values[x.astype(int)]

    def support(self):
        levels = self.level_values[:_MAX_TOLD].tolist()
        more = len(self.levels) - len(levels)
        return f"the levels [{', '.join(map(shown, levels))}]" + (
            f" and {more} more" if more else ""
        )

    def summary(self, draws, statistic):
        """The most frequent level, whatever the statistic."""
        counts = np.stack([(draws == level).sum(0) for level in range(len(self.levels))])
        return counts.argmax(0).astype(np.float64)

    def features(self, x: np.ndarray) -> np.ndarray:
        frequent = np.argsort(-self.frequencies, kind="stable")[:_MAX_INDICATORS]
        return np.where(np.isnan(x)[:, None], np.nan, x[:, None] == frequent)

    def details(self) -> str:
        order = np.arange(len(self.levels))
        if not self.are_ordered:
            order = np.argsort(-self.frequencies, kind="stable")
        first = order[:_MAX_SHOWN]
        told = [f"{_in_a_line(self.levels[k])} {self.frequencies[k]:.1%}" for k in first]
        rest = len(self.levels) - len(told)
        text = f"{len(self.levels)} levels: {', '.join(told)}"
        return f"{text} and {rest} more" if rest else text


def _in_a_line(level):
    text = " ".join(str(level).split())
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."


def __getattr__(name: str):
    # Files and pickles of earlier versions look for it here.
    if name == "AngleCodec":
        from ._angle_codec import AngleCodec

        return AngleCodec
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

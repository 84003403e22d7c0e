"""Evenly spaced values on which a column of numbers lies, and draws put back on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Most decimals of a lattice, and how far values may be off it, in steps.
_MAX_DECIMALS = 9
_DUST, _MOST_DUST = 1e-6, 1e-3
# Fewest different values that tell decimals; fewer may be round by chance.
_FEWEST_DECIMALS = 10
# Share of the values that may lie beside the lattice.
_OFF_LATTICE = 0.01
_LARGEST_WHOLE = 2.0**53

# Numbers below have lost digits: what they are apart is no distance.
_FINEST = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Lattice:
    """The numbers ``(first + k * step) / unit`` for whole `k`.

    Parameters
    ----------
    first, step : float
        One of the numbers, and the distance to the next, times `unit`.
    unit : float, default=1.0
        A power of ten, for decimals: a division of whole numbers rounds once and leaves no dust.
    """

    first: float
    step: float
    unit: float = 1.0

    @classmethod
    def of_whole(cls, x: np.ndarray) -> Lattice:
        """The coarsest lattice of whole numbers; of distance one where few of them repeat.

        Parameters
        ----------
        x : ndarray of shape (n,)
            Whole numbers.
        """
        values = np.unique(x)
        repeat = len(values) > 1 and 2 * len(values) <= len(x)
        if not repeat or np.abs(values[[0, -1]]).max() > _LARGEST_WHOLE:
            return cls(0.0, 1.0)
        step = float(_common_step(values))
        return cls(float(np.mod(values[0], step)), step)

    @classmethod
    def of_real(cls, x: np.ndarray, spacing: float) -> Lattice | None:
        """The lattice that the repeated values of a column lie on, if nearly all others do.

        Where values hardly repeat, it is that of all numbers with as many decimals as they have.

        Parameters
        ----------
        x : ndarray of shape (n,)
            Numbers.
        spacing : float
            Distance of values that repeat, 0 where they hardly do.
        """
        values, counts = np.unique(x, return_counts=True)
        repeated = values[counts > 1]
        if spacing < _FINEST or len(repeated) < 2:
            return _all_decimals(values)
        for lattice in (_decimal_lattice(repeated), _decimal_lattice(values)):
            # Decimals much finer than the spacing say nothing.
            if lattice and lattice.distance > 0.01 * spacing and lattice._holds(x):
                return lattice
        steps = cls(float(repeated[0]), spacing)
        return steps if steps._holds(x) else _all_decimals(values)

    def _holds(self, x):
        """Whether nearly all of these numbers lie on it."""
        off = np.abs(self.nearest(x) - x) > _MOST_DUST * self.distance
        return np.mean(off) <= _OFF_LATTICE

    @property
    def distance(self) -> float:
        """Distance of neighbours."""
        return self.step / self.unit

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which of some whole numbers lie on it."""
        return np.mod(x * self.unit - self.first, self.step) == 0

    def nearest(self, x: np.ndarray, low: float = -math.inf, high: float = math.inf) -> np.ndarray:
        """The nearest of its numbers within bounds; of two equally near ones the larger.

        Where none lies within the bounds, x is clipped to these.
        """
        lowest, highest = self._ends(low, high)
        if lowest > highest:
            return np.clip(x, low, high)
        # Steps may be so small that their number overflows: the ends count then.
        with np.errstate(over="ignore"):
            k = np.floor((x * self.unit - self.first) / self.step + 0.5)
        # Rounding alone may put the ends beyond the bounds.
        return np.clip(self._number(np.clip(k, lowest, highest)), low, high)

    def below(self, x: np.ndarray) -> np.ndarray:
        """The largest of its numbers that is at most x."""
        k = (x * self.unit - self.first) / self.step
        # Numbers of single precision are off by more, the larger they are.
        return self._number(np.floor(k + np.clip(_DUST * np.abs(k), _DUST, _MOST_DUST)))

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """Its least and largest number within bounds, infinite where these are."""
        return tuple(map(self._number, self._ends(low, high)))

    def _ends(self, low, high):
        lowest = np.ceil((low * self.unit - self.first) / self.step - _DUST)
        return lowest, np.floor((high * self.unit - self.first) / self.step + _DUST)

    def _number(self, k):
        return (self.first + k * self.step) / self.unit


def is_whole(numbers: np.ndarray) -> np.ndarray:
    """Which numbers are whole; infinity counts, as it has an error of its own."""
    return np.floor(numbers) == numbers


def _decimal_lattice(values):
    """The coarsest lattice of values with few decimals, None where they have many."""
    largest = np.abs(values[[0, -1]]).max()
    for decimals in range(_MAX_DECIMALS + 1):
        unit = 10.0**decimals
        if largest * unit > _LARGEST_WHOLE:
            return None
        scaled = values * unit
        # Numbers of single precision are off by more, the larger they are.
        tolerance = np.clip(_DUST * np.abs(scaled), _DUST, _MOST_DUST)
        whole = np.rint(scaled)
        if np.all(np.abs(scaled - whole) <= tolerance):
            step = float(_common_step(whole))
            return Lattice(float(np.mod(whole[0], step)), step, unit) if step else None
    return None


def _all_decimals(values):
    """All numbers with as many decimals as some values have, None where these are few or long."""
    found = _decimal_lattice(values) if len(values) >= _FEWEST_DECIMALS else None
    return found and Lattice(0.0, 1.0, found.unit)


def _common_step(values):
    """Greatest common divisor of the distances of whole numbers."""
    return np.gcd.reduce(np.diff(np.sort(values)).astype(np.int64))

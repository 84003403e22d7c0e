"""Numbers that come back after a period, such as hours, on an axis that is cut open."""

from __future__ import annotations

import numpy as np

from ..columns import tie_spacing
from ._column_codecs import Codec
from ._column_lattice import Lattice


class AngleCodec(Codec):
    """A number that comes back after a period, cut open in its widest gap.

    Parameters
    ----------
    start, period : float
        Values are given back within ``[start, start + period)``.
    x : ndarray of shape (n,)
        Training values, NaN where missing.
    """

    def __init__(self, start: float, period: float, x: np.ndarray):
        self.start, self.period = start, period
        self.shifts = (0.0, -period, period)
        known = x[~np.isnan(x)]
        self._lattice = _lattice_around(self._wrapped(known), period)
        angles = np.unique(np.mod(known - start, period))
        gaps = np.diff(np.append(angles, angles[0] + period))
        widest = gaps.argmax()
        self.cut = float(self._wrapped(start + angles[widest] + gaps[widest] / 2))
        self.typical = self.cut
        # Where the cell of the first value begins.
        self.origin = start
        if self._lattice is not None:
            first, _ = self._lattice.ends(start, start + period)
            self.origin = first - self._lattice.distance / 2

    def contains(self, x: np.ndarray, by_cell: bool = False) -> np.ndarray:
        return np.isfinite(x)

    def opened(self, x: np.ndarray) -> np.ndarray:
        """Values from the cut on."""
        return self.cut + np.mod(x - self.cut, self.period)

    def _points(self, x, u):
        return self.opened(x), np.zeros_like(x)

    def _wrapped(self, y):
        return self.start + np.mod(y - self.start, self.period)

    def decode(self, y: np.ndarray) -> np.ndarray:
        if self._lattice is None:
            return self._wrapped(y)
        x = self._lattice.nearest(self.origin + np.mod(y - self.origin, self.period))
        over = x >= self.start + self.period
        return np.where(over, self._lattice.nearest(x - self.period), x)

    def reach(self, x: np.ndarray) -> np.ndarray:
        """How far from the origin all goes whose decoded values are at most x."""
        x = self._wrapped(x)
        if self._lattice is None:
            return x - self.start
        end = self._lattice.below(x) + self._lattice.distance / 2
        return np.clip(end - self.origin, 0, self.period)

    def summary(self, draws, statistic):
        """The mean direction, whatever the statistic."""
        turn = 2 * np.pi * draws / self.period
        return self._wrapped(np.angle(np.exp(1j * turn).mean(0)) * self.period / (2 * np.pi))

    def features(self, x: np.ndarray) -> np.ndarray:
        turn = 2 * np.pi * x[:, None] / self.period
        return np.hstack([np.cos(turn), np.sin(turn)])

    def details(self) -> str:
        end = self.start + self.period
        return f"from {self.start:.6g} to {end:.6g} and round again, cut open at {self.cut:.6g}"


def _lattice_around(angles, period):
    """The lattice of angles, if a turn leads back to it."""
    lattice = Lattice.of_real(angles, tie_spacing(angles))
    turns = period / lattice.distance if lattice else 0.5
    return lattice if abs(turns - round(turns)) <= 1e-6 else None

"""How far rows of a table are from given ones, where draws must not sit on any of them."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ..exceptions import InvalidDataError
from ..validation import half_range
from ._angle_codec import AngleCodec
from ._column_codecs import Codec


class Apart:
    """The condition that rows of a table are farther than a distance from all given ones.

    The distance is Gower's: the mean over the columns of differences of numbers over the range of
    the given rows, of angles over half a turn, and of categories 0 or 1. Columns that are missing
    in a given row are left out of its mean.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        The given rows, levels by their position, NaN where missing.
    min_distance : float
        Distance that others must exceed.
    codecs : list of Codec
        Maps of the columns.
    read : callable
        Gives rows of a table as numbers.
    """

    def __init__(
        self,
        rows: np.ndarray,
        min_distance: float,
        codecs: list[Codec],
        read: Callable[[Any], np.ndarray],
    ):
        self.min_distance, self.codecs, self.read = min_distance, codecs, read
        self.name = f"min_distance={min_distance:g}"
        self.ranges = np.array([_range(x) for x in rows.T])
        patterns, which = np.unique(np.isnan(rows), axis=0, return_inverse=True)
        which = which.reshape(-1)
        # A row of which nothing is known is far from none, and near none.
        self.trees = [
            self._tree(rows[which == k], np.flatnonzero(~pattern))
            for k, pattern in enumerate(patterns)
            if not pattern.all()
        ]

    def _tree(self, rows, known):
        axes, turns = self._axes(rows, known)
        return known, KDTree(axes, boxsize=turns if turns.any() else None)

    def _axes(self, rows, known):
        """Axes whose differences add up to distances, and after how much each comes back, or 0."""
        axes, turns = [], []
        for j in known:
            codec, x = self.codecs[j], rows[:, j]
            if codec.levels is not None:
                # Two levels differ by a half on each of two axes.
                axes.append(0.5 * (x[:, None] == np.arange(-1, len(codec.levels))))
            elif isinstance(codec, AngleCodec):
                turned = np.mod(2 * (x[:, None] - codec.start) / codec.period, 2.0)
                axes.append(np.where(turned < 2.0, turned, 0.0))
            else:
                axes.append(x[:, None] / self.ranges[j])
            turns += [2.0 * isinstance(codec, AngleCodec)] * axes[-1].shape[1]
        return np.hstack(axes), np.array(turns)

    def __call__(self, table: Any) -> np.ndarray:
        """Which rows of a table are far enough from all given ones, shape (n,)."""
        rows = self.read(table)
        far = np.ones(len(rows), dtype=bool)
        for known, tree in self.trees:
            axes, _ = self._axes(rows[far], known)
            # Rounding must not tell copies from rows at distance zero.
            reach = self.min_distance * len(known) + 1e-9
            far[far] = np.isinf(tree.query(axes, p=1, distance_upper_bound=reach)[0])
        return far


def _range(x):
    if np.isnan(x).all():
        return 1.0
    return 2 * min(half_range(x), np.finfo(float).max / 2) or 1.0


def check_distance(min_distance) -> float:
    """A distance of draws from given rows.

    Raises
    ------
    InvalidDataError
        If it is no number from 0 up to 1.
    """
    is_number = isinstance(min_distance, Real) and not isinstance(min_distance, bool)
    if not is_number or not 0 <= min_distance < 1:
        raise InvalidDataError(
            f"min_distance must be a number from 0 up to 1, as all distances lie there, got "
            f"{min_distance!r}. 0 only leaves out copies."
        )
    return float(min_distance)

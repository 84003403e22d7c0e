"""Points within the cells of rows where a Gaussian copula expects them, given the rest of the row.

Training rows lie in their cells as a copula of all columns draws them, so that a density is steep
there. Points that are as frequent as they are have values that are nearly alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

# Numbers of a column that are kept beside those that many rows share.
_N_KNOTS = 65
# So many different numbers are all kept, and of more those that one row in so many has.
_MANY = 256
# Shares stay so far off the ends of the unit interval, where normal scores are infinite.
_END = 1e-9
# Points spread more widely than the copula says, as densities that are learned do.
_WIDER = 1.07
# Cells of less probability are too far out for their normal to be told.
_LEAST_PROBABILITY = 1e-100


@dataclass(frozen=True)
class CellCopula:
    """A Gaussian copula of the columns of a table.

    Parameters
    ----------
    values : list of ndarray
        Numbers that occur in each column, rising.
    below, up_to : list of ndarray
        Shares of the weight below each of them, and up to it.
    correlations : ndarray of shape (d, d)
        Correlations of the normal scores.
    """

    values: list[np.ndarray]
    below: list[np.ndarray]
    up_to: list[np.ndarray]
    correlations: np.ndarray

    @classmethod
    def of_rows(cls, rows: np.ndarray, weight: np.ndarray, correlations: np.ndarray) -> CellCopula:
        """The copula of training rows, whose correlations are known.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows as numbers, levels by their position, NaN where missing.
        weight : ndarray of shape (n,)
            Their weights.
        correlations : ndarray of shape (d, d)
            Correlations of their normal scores.
        """
        columns = [_distribution(x, weight) for x in rows.T]
        return cls(*map(list, zip(*columns, strict=True)), correlations)

    def _ends(self, x, column):
        """Shares below the cells of values of a column, and up to them; alike if it has no such."""
        values, up_to = self.values[column], np.append(0.0, self.up_to[column])
        at = np.searchsorted(values, x)
        known = values[np.minimum(at, len(values) - 1)] == x
        below = np.where(known, np.append(self.below[column], 1.0)[at], up_to[at])
        return below, np.where(known, up_to[np.minimum(at + 1, len(values))], up_to[at])

    def _scores(self, x, column):
        """Normal scores of numbers of a column."""
        middles = (self.below[column] + self.up_to[column]) / 2
        return np.interp(x, self.values[column], ndtri(np.clip(middles, _END, 1 - _END)))

    def places(
        self, rows: np.ndarray, columns: np.ndarray, u: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Points of the unit cube moved to where training rows of the same values lie.

        Columns with cells are gone through in turn, each given those before it.

        Parameters
        ----------
        rows : ndarray of shape (n, d)
            Rows as numbers, NaN where missing.
        columns : ndarray of int of shape (n_cells,)
            Columns in which all of these rows have a cell.
        u : ndarray of shape (n_points, k)
            Points, a coordinate for each of at least so many columns.

        Returns
        -------
        ranks : ndarray of shape (n, n_points, n_cells)
            Their ranks among training rows of the same value, in the columns with cells.
        log_weights : ndarray of shape (n, n_points)
            Logs of the weights that make up for it.
        """
        ranks = np.empty((len(rows), len(u), len(columns)))
        log_weights = np.zeros(ranks.shape[:2])
        means, factor = self._given(rows, columns)
        steps = np.empty_like(ranks)
        for k, column in enumerate(columns):
            mean = means[:, None, k] + steps[..., :k] @ factor[k, :k]
            low, high = self._ends(rows[:, column], column)
            ranks[..., k], steps[..., k], log_weight = _within(
                low[:, None], high[:, None], mean, factor[k, k], u[:, k]
            )
            log_weights += log_weight
        return ranks, log_weights

    def _given(self, rows, columns):
        """Means of columns with cells given the others, and the factor of their covariance."""
        known = np.setdiff1d(np.flatnonzero(~np.isnan(rows).any(0)), columns)
        scores = np.empty((len(rows), len(known)))
        for k, column in enumerate(known):
            scores[:, k] = self._scores(rows[:, column], column)
        of_cells = self.correlations[np.ix_(columns, columns)]
        between = self.correlations[np.ix_(columns, known)]
        slopes = np.linalg.solve(self.correlations[np.ix_(known, known)], between.T)
        return scores @ slopes, np.linalg.cholesky(of_cells - between @ slopes)


def _distribution(x, weight):
    """Numbers that occur, and shares of the weight below each and up to it; of many only some."""
    known = ~np.isnan(x)
    if not known.any():
        return np.zeros(1), np.zeros(1), np.ones(1)
    values, index = np.unique(x[known], return_inverse=True)
    up_to = np.bincount(index, weight[known], len(values)).cumsum()
    up_to = np.minimum(up_to / up_to[-1], 1.0)
    below = np.append(0.0, up_to[:-1])
    if len(values) > _MANY:
        kept = up_to - below >= 1 / _MANY
        reach = -ndtri(1 / len(x))
        spread = ndtr(np.linspace(-reach, reach, _N_KNOTS))
        kept[np.minimum(np.searchsorted(up_to, spread), len(values) - 1)] = True
        kept[[0, -1]] = True
        values, below, up_to = values[kept], below[kept], up_to[kept]
    return values, below, up_to


def _within(below, up_to, mean, scale, u):
    """Ranks in a cell, steps from the mean in units of its scale, and logs of weights."""
    ends = ndtri(below), ndtri(up_to)
    wide = scale * _WIDER
    low, high = (ends[0] - mean) / wide, (ends[1] - mean) / wide
    # Far tails are accurate below zero only.
    turned = low > 0
    first, last = ndtr(np.where(turned, -high, low)), ndtr(np.where(turned, -low, high))
    probability = last - first
    z = ndtri(first + probability * np.where(turned, 1 - u, u))
    z = np.where(turned, -z, z)
    v = mean + wide * z
    width = up_to - below
    with np.errstate(all="ignore"):
        ranks = (ndtr(v) - below) / width
        log_weights = np.log(probability) + np.log(wide) + 0.5 * (z**2 - v**2) - np.log(width)
    lost = (probability < _LEAST_PROBABILITY) | ~np.isfinite(ranks) | ~np.isfinite(log_weights)
    if lost.any():
        even = np.broadcast_to(u, ranks.shape)
        inside = ndtri(np.clip(below + width * even, _END, 1 - _END))
        ranks, v = np.where(lost, even, ranks), np.where(lost, inside, v)
        log_weights = np.where(lost, 0.0, log_weights)
    return np.clip(ranks, 0.0, 1.0), (v - mean) / scale, log_weights

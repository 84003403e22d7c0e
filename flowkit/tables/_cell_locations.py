"""Where rows lie within the cells of discrete values, so that columns go on together there.

Locations that are drawn by themselves blur what columns have to do with each other: a level that
goes with large numbers would go with all of them alike within its cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from ._cell_copula import CellCopula

# Rows that correlations are learned from, and rounds of draws and correlations.
_MAX_ROWS, _N_ROUNDS = 5_000, 20
# Rounds of draws that further rows need, given the correlations.
_N_LAST_ROUNDS = 5
# Fewer rows tell no correlations; with fewer for each column, the sample's are too good to be true.
_FEWEST_ROWS, _ROWS_A_COLUMN = 50, 5
# Variance of each column that others never explain: columns may repeat each other.
_OWN_SHARE = 1e-3
# Ranks stay so far off the ends of the unit interval, where normal scores are infinite.
_END = 1e-9


def opened_rows(rows: np.ndarray, codecs: Sequence) -> np.ndarray:
    """Rows of which equal values have equal numbers, as those of a circle have not.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Rows as numbers, NaN where missing.
    codecs : sequence of Codec
        The maps of the columns.
    """
    return np.column_stack([codec.opened(x) for codec, x in zip(codecs, rows.T, strict=True)])


def locations_in_cells(
    rows: np.ndarray, weight: np.ndarray | None, rng: np.random.RandomState
) -> tuple[np.ndarray, CellCopula | None]:
    """Ranks of rows among those of the same value, drawn from a Gaussian copula.

    Each value of a column is an interval of standard normal quantiles, between the shares of the
    rows below and up to it. Points in these intervals are drawn given those of all other columns,
    and their correlations are learned anew, in turn.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Training rows as numbers, levels by their position on the axis, NaN where missing.
    weight : ndarray of shape (n,) or None
        Weights of the rows, None where all are alike.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    ranks : ndarray of shape (n, d)
        Within the unit interval, where they are about uniform.
    copula : CellCopula or None
        The copula; None of too few rows, whose ranks are drawn column by column.

    References
    ----------
    Hoff, "Extending the rank likelihood for semiparametric copula estimation", Annals of Applied
    Statistics 1 (2007), arXiv math/0610413.

    Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal
    of Multivariate Analysis 88 (2004) 365-411.
    """
    n = len(rows)
    if n < _FEWEST_ROWS:
        return rng.uniform(size=rows.shape), None
    weight = np.ones(n) if weight is None else weight
    ends = np.stack([_shares(x, weight) for x in rows.T], axis=-1)
    tied = np.flatnonzero([len(np.unique(x)) < n for x in rows.T])
    few = np.sort(rng.permutation(n)[:_MAX_ROWS])
    points = _Points(ends[:, few], tied, rng)
    for _ in range(_N_ROUNDS):
        correlations = _correlations(points.normal, weight[few])
        points.draw(correlations)
    if len(few) < n:
        points = _Points(ends, tied, rng)
        for _ in range(_N_LAST_ROUNDS):
            points.draw(correlations)
    return points.ranks(), CellCopula.of_rows(rows, weight, correlations)


def _shares(x, weight):
    """Shares of the weight below each value, and up to it; all of it where it is missing."""
    known = ~np.isnan(x)
    _, value = np.unique(x[known], return_inverse=True)
    counts = np.bincount(value, weight[known])
    up_to = np.minimum(counts.cumsum() / counts.sum(), 1.0) if len(counts) else counts
    below = np.append(0.0, up_to[:-1])
    ends = np.tile([[0.0], [1.0]], len(x))
    ends[:, known] = below[value], up_to[value]
    return ends


class _Points:
    """Standard normal points within the intervals of values.

    Parameters
    ----------
    ends : ndarray of shape (2, n, d)
        Cumulative shares at which the intervals begin and end.
    tied : ndarray of int
        Columns whose points are drawn; all others stay.
    rng : RandomState
        Source of randomness.
    """

    def __init__(self, ends, tied, rng):
        self.ends, self.tied, self.rng = ends, tied, rng
        self.quantiles = ndtri(ends)
        self.normal = ndtri(np.clip(self._inside(rng.uniform(size=ends.shape[1:])), _END, 1 - _END))

    def _inside(self, u):
        return self.ends[0] + (self.ends[1] - self.ends[0]) * u

    def draw(self, correlations):
        """Draw the points of each column anew, given those of all others."""
        precision = np.linalg.inv(correlations)
        for j in self.tied:
            scale = 1 / np.sqrt(precision[j, j])
            mean = self.normal[:, j] - scale**2 * (self.normal @ precision[j])
            low, high = (self.quantiles[:, :, j] - mean) / scale
            u = self.rng.uniform(size=len(mean))
            self.normal[:, j] = self._truncated(low, high, u) * scale + mean
            self._keep_inside(j)

    def _truncated(self, low, high, u):
        """Standard normal numbers between two ends."""
        # Far tails are accurate below zero only.
        turned = low > 0
        first, last = ndtr(np.where(turned, -high, low)), ndtr(np.where(turned, -low, high))
        z = ndtri(first + (last - first) * u)
        return np.where(turned, -z, z)

    def _keep_inside(self, j):
        """Where an interval is too far out for its normal to be told, any point of it will do."""
        low, high = self.quantiles[:, :, j]
        z = self.normal[:, j]
        lost = ~np.isfinite(z) | (z < low) | (z > high)
        anywhere = self.ends[0, lost, j] + np.ptp(self.ends[:, lost, j], axis=0) * self.rng.uniform(
            size=lost.sum()
        )
        z[lost] = ndtri(np.clip(anywhere, _END, 1 - _END))

    def ranks(self):
        """Where the points are within their intervals."""
        below, width = ndtr(self.normal) - self.ends[0], np.ptp(self.ends, axis=0)
        # Beside heavy rows, an interval may be too narrow for numbers.
        middle = np.full(width.shape, 0.5)
        return np.clip(np.divide(below, width, out=middle, where=width > 0), 0.0, 1.0)


def _correlations(points, weight):
    d = points.shape[1]
    weight = weight / weight.max()
    # Rows of unequal weight tell as much as so many equal ones.
    n_effective = weight.sum() ** 2 / (weight**2).sum()
    if n_effective < _ROWS_A_COLUMN * d:
        covariance = _shrunk_covariance(points, weight / weight.sum(), n_effective)
    else:
        covariance = np.cov(points, rowvar=False, aweights=weight).reshape(d, d)
    scale = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
    correlations = covariance / np.outer(scale, scale)
    return (1 - _OWN_SHARE) * correlations + _OWN_SHARE * np.eye(d)


def _shrunk_covariance(points, share, n_effective):
    """Covariance of weighted rows, drawn to its mean variance as Ledoit and Wolf do."""
    d = points.shape[1]
    centred = points - share @ points
    covariance = (centred * share[:, None]).T @ centred
    target = np.trace(covariance) / d * np.eye(d)
    distance = ((covariance - target) ** 2).sum()
    fourth = share @ (centred**2).sum(1) ** 2
    uncertainty = (fourth - (covariance**2).sum()) / n_effective
    shrinkage = 1.0 if uncertainty >= distance else uncertainty / distance
    return (1 - shrinkage) * covariance + shrinkage * target

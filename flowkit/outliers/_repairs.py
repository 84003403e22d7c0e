"""Impossible rows, made possible: a few of their values replaced by those of training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..validation import as_floats, container_of, missing_in, pick, stacked
from ._column_values import numbers_of
from ._regressions import spread_of_columns

# Training rows that may lend their values, and how many of them each row tries.
_N_DONORS, _N_TRIED = 512, 8
# Distance in standard deviations beyond which a value is no stranger, and that of another level.
_FAR = 2.0
# Distances that are held at once.
_MAX_DISTANCES = 2**22


@dataclass(frozen=True)
class Repairs:
    """The smallest sets of columns whose values, replaced together, make rows possible.

    A row takes over all values of a training row that is close to it. Then its own values are put
    back one after the other, those that are closest first, where the row stays possible. Of several
    training rows the one with the fewest values left in the row counts.

    Parameters
    ----------
    donors : ndarray or DataFrame of shape (n_donors, n_features)
        Training rows.
    scale : list of float or None
        Standard deviation of each column by its quartiles; None where a column holds no numbers.
    """

    donors: Any
    scale: list[float | None]

    @classmethod
    def of(cls, X) -> Repairs:
        """Keep some training rows, evenly spaced."""
        n = len(X)
        some = np.unique(np.linspace(0, n - 1, min(n, _N_DONORS)).astype(int))
        scale = [_scale(numbers_of(column)) for column in container_of(X).columns()]
        return cls(container_of(X).take(some, {}), scale)

    def __call__(self, X, log_density):
        """Replace as few values as it takes.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_samples, n_features)
            Impossible rows.
        log_density : callable
            ``log_density(copies, rows)`` is that of copies of rows, in nats: as many of each row,
            those of one row next to each other.

        Returns
        -------
        repaired : ndarray or DataFrame of shape (n_samples, n_features)
            Possible rows, but for those that no training row repairs: these are as they were.
        replaced : ndarray of bool of shape (n_samples, n_features)
            Where a value was replaced. Missing values never are.
        """
        size = max(1, _MAX_DISTANCES // (len(self.donors) * X.shape[1]))
        parts = np.split(np.arange(len(X)), np.arange(size, len(X), size))
        found = [self._choose(container_of(X).take(part, {}), log_density) for part in parts]
        donor, replaced = (np.concatenate(one) for one in zip(*found, strict=True))
        return self._mixed(X, donor[:, None], replaced[:, None]), replaced

    def _choose(self, X, log_density):
        """The donor of each row, (n,), and the values that are replaced by its own, (n, d)."""
        distances = self._distances(X)
        tried = np.argsort(distances.sum(2), axis=1, kind="stable")[:, :_N_TRIED]
        # Row, donor and column; each has the same number of copies.
        row, copy = np.ogrid[: tried.shape[0], : tried.shape[1]]
        order = np.argsort(distances[row, tried], axis=2, kind="stable")

        def is_possible(replaced):
            scores = log_density(self._mixed(X, tried, replaced), X)
            return (scores > -np.inf).reshape(tried.shape)

        known = np.column_stack([~missing_in(column) for column in container_of(X).columns()])
        replaced = np.repeat(known[:, None], tried.shape[1], axis=1)
        possible = is_possible(replaced)
        for j in np.moveaxis(order, 2, 0):
            fewer = replaced.copy()
            fewer[row, copy, j] = False
            replaced = np.where((possible & is_possible(fewer))[..., None], fewer, replaced)
        best = np.where(possible, replaced.sum(2), X.shape[1] + 1).argmin(1)
        first = np.arange(len(best))
        replaced = replaced[first, best] & possible[first, best][:, None]
        return tried[first, best], replaced

    def _distances(self, X):
        """Squared distance of each value of rows from that of each donor, (n, n_donors, d)."""
        distances = np.empty((len(X), len(self.donors), X.shape[1]))
        for j, scale in enumerate(self.scale):
            own, other = container_of(X).column(j), container_of(self.donors).column(j)
            if scale is None:
                own_values, others = (np.asarray(x, dtype=object) for x in (own, other))
                far = _differ(own_values, others, missing_in(own), missing_in(other)) * _FAR
            else:
                with np.errstate(over="ignore"):
                    far = np.abs(as_floats(own)[:, None] - as_floats(other)) / scale
            # A missing value of a donor is as far as can be; one of the row is never replaced.
            far = np.where(missing_in(other), _FAR, np.minimum(far, _FAR))
            distances[:, :, j] = np.where(missing_in(own)[:, None], 0.0, far**2)
        return distances

    def _mixed(self, X, donor, replaced):
        """Copies of rows, (n, k), with some of their values (n, k, d) from donors (n, k)."""
        row = np.broadcast_to(np.arange(len(X))[:, None], donor.shape)
        columns = {}
        for j in range(X.shape[1]):
            both = stacked(container_of(X).column(j), container_of(self.donors).column(j))
            index = np.where(replaced[:, :, j], len(X) + donor, row)
            columns[j] = pick(both, index.ravel())
        return container_of(X).take(row.ravel(), columns)


def _scale(x):
    """Standard deviation of numbers by their quartiles, which a few values far off do not move."""
    if x is None:
        return None
    x = x[np.isfinite(x)]
    if not x.size:
        return 1.0
    spread = float(spread_of_columns(x))
    if np.isfinite(spread):
        return spread
    # Sums may overflow.
    size = np.abs(x).max() or 1.0
    return float(size * (x / size).std()) or 1.0


def _differ(values, others, missing, none):
    """Where values (n,) are not the same as others (k,), shape (n, k)."""
    differ = np.ones((len(values), len(others)))
    known, present = np.flatnonzero(~missing), np.flatnonzero(~none)
    same = values[known][:, None] == others[present]
    differ[np.ix_(known, present)] = ~same.astype(bool)
    return differ

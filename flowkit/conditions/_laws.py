"""Laws of one column given others, row by row: exact, drawn, mapped, truncated, pooled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..modules import Evaluator, Flow
from ..priors import ColumnLaw

# Halvings of an interval until it is as short as numbers are exact.
_HALVINGS = 60


class Law:
    """Law of one number for each of n rows.

    Subclasses implement `cdf`, `error_within` and `quantile`, and set `n_effective`.

    Attributes
    ----------
    n_effective : ndarray of shape (n,)
        Number of draws that the law of each row is as good as; infinite where it is exact.
    """

    n_effective: np.ndarray

    def cdf(self, values: np.ndarray) -> np.ndarray:
        """Probability of at most a value.

        Parameters
        ----------
        values : ndarray of shape (n, m)
            Values for each row, which may be infinite.

        Returns
        -------
        ndarray of shape (n, m)
            Probabilities.
        """
        raise NotImplementedError

    def within(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Probability of intervals that do not overlap, together.

        Parameters
        ----------
        low, high : ndarray of shape (n, m, k)
            Ends of k intervals, which may be infinite.

        Returns
        -------
        ndarray of shape (n, m)
            Probabilities.
        """
        n, m, k = low.shape
        ends = np.concatenate([low.reshape(n, m * k), high.reshape(n, m * k)], 1)
        below, above = np.split(self.cdf(ends), 2, axis=1)
        return (above - below).reshape(n, m, k).sum(2)

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of `cdf`, shape (n, m)."""
        high = values[..., None]
        return self.error_within(np.full_like(high, -np.inf), high)

    def error_within(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Standard error of `within`, shape (n, m)."""
        raise NotImplementedError

    def quantile(self, probabilities: np.ndarray) -> np.ndarray:
        """Quantiles of each row.

        Parameters
        ----------
        probabilities : ndarray of shape (n, m)
            Between 0 and 1, both excluded.

        Returns
        -------
        ndarray of shape (n, m)
            Quantiles.
        """
        raise NotImplementedError


class LatentLaw(Law):
    """Exact law of a column of the latent.

    Parameters
    ----------
    law : ColumnLaw
        The law.
    device : torch.device
        Where it is.
    n : int
        Number of rows.
    """

    def __init__(self, law: ColumnLaw, device: torch.device, n: int):
        self._law, self._device = law, device
        self.n_effective = np.full(n, np.inf)

    def cdf(self, values):
        inside = np.isfinite(values)
        below = self._of_law(self._law.cdf, np.where(inside, values, 0.0))
        return np.where(inside, below, values > 0)

    def error_within(self, low, high):
        return np.zeros(low.shape[:2])

    def quantile(self, probabilities):
        return self._of_law(self._law.quantile, probabilities)

    def _of_law(self, function, values):
        with torch.no_grad():
            return function(torch.from_numpy(values).to(self._device)).cpu().numpy()


def flow_law(law: Law, flow: Flow, column: int, device: torch.device) -> MappedLaw:
    """Law of a column that a flow maps by itself.

    Parameters
    ----------
    law : Law
        Law of the latent of the column.
    flow : Flow
        Its bijection maps columns one by one.
    column : int
        Which.
    device : torch.device
        Where the flow is.
    """
    evaluator = Evaluator(flow, device)

    def through(function, values):
        rows = np.zeros((values.size, flow.n_features))
        rows[:, column] = values.ravel()

        def both(x):
            return torch.stack([part[:, column] for part in function(x)], 1)

        return evaluator.map(both, rows).T.reshape(2, *values.shape)

    def forward(values):
        z, log_slope = through(flow.bijection.forward_by_column, values)
        # Outside their domain, maps of columns put a value of no slope.
        return np.where(np.isfinite(log_slope), z, np.nan)

    def backward(z):
        return through(flow.bijection.inverse_by_column, z)[0]

    low, high = backward(np.array([-0.5, 0.5]))
    return MappedLaw(law, forward, backward, bool(high > low), float(low))


class DrawnLaw(Law):
    """Law of weighted draws, linear between neighbours.

    Parameters
    ----------
    values : ndarray of shape (n, n_draws)
        Draws for each row.
    shares : ndarray of shape (n, n_draws)
        Their weights, which sum to one.
    """

    def __init__(self, values: np.ndarray, shares: np.ndarray):
        order = values.argsort(1, kind="stable")
        self._values = np.take_along_axis(values, order, 1)
        self._shares = np.take_along_axis(shares, order, 1)
        self._below = self._shares.cumsum(1) - self._shares / 2
        self.n_effective = 1 / (shares**2).sum(1)

    def cdf(self, values):
        rows = zip(values, self._values, self._below, strict=True)
        return np.stack([np.interp(v, x, below, left=0, right=1) for v, x, below in rows])

    def error_within(self, low, high):
        squares = np.pad((self._shares**2).cumsum(1), ((0, 0), (1, 0)))
        inside = np.empty(low.shape[:2])
        for i, x in enumerate(self._values):
            first, last = (np.searchsorted(x, ends[i], side="right") for ends in (low, high))
            inside[i] = (squares[i][last] - squares[i][first]).sum(1)
        share, outside = self.within(low, high), squares[:, -1:] - inside
        return np.sqrt(inside * (1 - share) ** 2 + outside * share**2)

    def quantile(self, probabilities):
        rows = zip(probabilities, self._below, self._values, strict=True)
        return np.stack([np.interp(p, below, x) for p, below, x in rows])


@dataclass(frozen=True)
class MappedLaw(Law):
    """Law of a column that a strictly monotone map leads to one of a known law.

    Parameters
    ----------
    law : Law
        Law of the mapped column.
    forward, backward : callable
        The map of an ndarray of values, and its inverse; not finite for values outside the domain.
    increases : bool, default=True
        Whether the map is increasing.
    typical : float, default=0.0
        A value within the domain: those that are mapped to NaN are below or above all others, as
        they are below or above this one.
    """

    law: Law
    forward: Callable[[np.ndarray], np.ndarray]
    backward: Callable[[np.ndarray], np.ndarray]
    increases: bool = True
    typical: float = 0.0

    @property
    def n_effective(self):
        return self.law.n_effective

    def cdf(self, values):
        below = self.law.cdf(self._mapped(values))
        return below if self.increases else 1 - below

    def error_within(self, low, high):
        low, high = self._mapped(low), self._mapped(high)
        return self.law.error_within(*((low, high) if self.increases else (high, low)))

    def _mapped(self, values):
        """Values mapped, infinite where they are below or above all others."""
        finite = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            mapped = self.forward(np.where(finite, values, self.typical))
        end = np.where((values > self.typical) == self.increases, np.inf, -np.inf)
        return np.where(finite & ~np.isnan(mapped), mapped, end)

    def quantile(self, probabilities):
        probabilities = probabilities if self.increases else 1 - probabilities
        return self.backward(self.law.quantile(probabilities))


class TruncatedLaw(Law):
    """Law of a column that is known to lie within an interval.

    Parameters
    ----------
    law : Law
        Of the column when nothing is known.
    low, high : float
        Ends of the interval, which may be infinite.
    """

    def __init__(self, law: Law, low: float, high: float):
        self._law, self._low, self._high = law, low, high
        self.n_effective = law.n_effective
        ends = law.cdf(np.tile([low, high], (len(law.n_effective), 1)))
        self._below, self.mass = ends[:, :1], ends[:, 1:] - ends[:, :1]

    def cdf(self, values):
        return (self._law.cdf(self._cut(values)) - self._below) / self.mass

    def error_within(self, low, high):
        low, high = (np.sort(self._cut(ends), axis=2) for ends in (low, high))
        share = self._law.within(low, high) / self.mass
        first, last = (np.full_like(low[..., :1], end) for end in (self._low, self._high))
        rest = np.concatenate([first, high], 2), np.concatenate([low, last], 2)
        parts = [(low, high), rest, (first, last)]
        # Of parts, of the others, and of both together, which their covariance follows from.
        of_parts, of_rest, of_all = (self._law.error_within(*ends) ** 2 for ends in parts)
        square = (1 - share) * of_parts + share * of_rest - share * (1 - share) * of_all
        return np.sqrt(square.clip(0)) / self.mass

    def quantile(self, probabilities):
        return self._cut(self._law.quantile(self._below + self.mass * probabilities))

    def _cut(self, values):
        return np.clip(values, self._low, self._high)


def halved(
    cdf: Callable[[np.ndarray], np.ndarray],
    probabilities: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of intervals in which a function reaches probabilities, as short as numbers are exact.

    Parameters
    ----------
    cdf : callable
        Does not decrease.
    probabilities : ndarray of shape (n, m)
        Probabilities.
    low, high : ndarray of shape (n, m)
        Ends of intervals that are known.
    """
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        below = cdf(middle) < probabilities
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low, high


@dataclass(frozen=True)
class PooledLaw(Law):
    """Weighted mean of several laws for each row.

    Parameters
    ----------
    law : Law
        Of ``n * n_points`` rows, those that belong together next to each other.
    shares : ndarray of shape (n, n_points)
        Their weights, which sum to one.
    """

    law: Law
    shares: np.ndarray

    @property
    def n_effective(self):
        inner = self.law.n_effective.reshape(self.shares.shape)
        spread = (self.shares**2 / inner).sum(1)
        return np.divide(1, spread, out=np.full(len(spread), np.inf), where=spread > 0)

    def cdf(self, values):
        return (self.shares[..., None] * self._each(self.law.cdf, values)).sum(1)

    def error_within(self, low, high):
        each, errors = (
            self._each(of_law, low, high) for of_law in (self.law.within, self.law.error_within)
        )
        mean = (self.shares[..., None] * each).sum(1, keepdims=True)
        squares = self.shares[..., None] ** 2 * (errors**2 + (each - mean) ** 2)
        return np.sqrt(squares.sum(1))

    def quantile(self, probabilities):
        each = self._each(self.law.quantile, probabilities)
        # Laws without weight may lie anywhere.
        counts = (self.shares > 0)[..., None]
        low = np.where(counts, each, np.inf).min(1)
        high = np.where(counts, each, -np.inf).max(1)
        return halved(self.cdf, probabilities, low, high)[1]

    def _each(self, function, *values):
        n, n_points = self.shares.shape
        found = function(*(np.repeat(part, n_points, axis=0) for part in values))
        return found.reshape(n, n_points, -1)


class GroupedLaw(Law):
    """Laws of groups of rows, as one of all rows.

    Parameters
    ----------
    laws : list of Law
        One for each group.
    groups : list of ndarray of int
        Indices of the rows of each group; every row is in one.
    """

    def __init__(self, laws: list[Law], groups: list[np.ndarray]):
        self._laws, self._groups = laws, groups
        self._order = np.concatenate(groups).argsort()
        self.n_effective = np.concatenate([law.n_effective for law in laws])[self._order]

    def cdf(self, values):
        return self._each("cdf", values)

    def within(self, low, high):
        return self._each("within", low, high)

    def error_within(self, low, high):
        return self._each("error_within", low, high)

    def quantile(self, probabilities):
        return self._each("quantile", probabilities)

    def _each(self, method, *values):
        found = [
            getattr(law, method)(*(part[rows] for part in values))
            for law, rows in zip(self._laws, self._groups, strict=True)
        ]
        return np.concatenate(found)[self._order]

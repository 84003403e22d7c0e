"""Laws of one column given others, row by row: exact, of weighted draws, mapped, and pooled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ..modules import Evaluator, Flow
from ..priors import ColumnLaw

# Halvings of the interval between two quantiles.
_HALVINGS = 60


class Law:
    """Law of one number for each of n rows.

    Subclasses implement `cdf`, `error` and `quantile`, and set `n_effective`.

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
            Values for each row.

        Returns
        -------
        ndarray of shape (n, m)
            Probabilities.
        """
        raise NotImplementedError

    def error(self, values: np.ndarray) -> np.ndarray:
        """Standard error of `cdf`, shape (n, m)."""
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


class FlowLaw(Law):
    """Exact law of a column that a flow maps by itself.

    Parameters
    ----------
    law : ColumnLaw
        Law of the latent of the column.
    flow : Flow
        Its bijection maps columns one by one.
    column : int
        Which.
    device : torch.device
        Where the flow is.
    n : int
        Number of rows.
    """

    def __init__(self, law: ColumnLaw, flow: Flow, column: int, device: torch.device, n: int):
        self._law, self._flow, self._column = law, flow, column
        self._evaluator = Evaluator(flow, device)
        self.n_effective = np.full(n, np.inf)
        low, high = self._through(flow.bijection.inverse_by_column, np.array([[-0.5], [0.5]]))
        self._increases, self._typical = bool(high[0] > low[0]), float(low[0])

    def cdf(self, values):
        z = self._through(self._flow.bijection.forward_by_column, values)
        inside = np.isfinite(z)
        below = self._of_law(self._law.cdf, np.where(inside, z, 0.0))
        below = below if self._increases else 1 - below
        # Outside the domain all is below, or nothing.
        return np.where(inside, below, values > self._typical)

    def error(self, values):
        return np.zeros_like(values)

    def quantile(self, probabilities):
        below = probabilities if self._increases else 1 - probabilities
        z = self._of_law(self._law.quantile, below)
        return self._through(self._flow.bijection.inverse_by_column, z)

    def _of_law(self, function, values):
        with torch.no_grad():
            return function(torch.from_numpy(values).to(self._evaluator.device)).cpu().numpy()

    def _through(self, function, values):
        """Values of the column through a map of columns, (n, m)."""
        rows = np.zeros((values.size, self._flow.n_features))
        rows[:, self._column] = values.ravel()
        mapped = self._evaluator.map(lambda x: function(x)[0][:, self._column], rows)
        return mapped.reshape(values.shape)


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

    def error(self, values):
        below, squares = self.cdf(values), (self._shares**2).cumsum(1)
        within = np.zeros_like(values)
        for i, (x, v) in enumerate(zip(self._values, values, strict=True)):
            place = np.searchsorted(x, v, side="right")
            within[i] = np.where(place > 0, squares[i][place - 1], 0.0)
        beyond = squares[:, -1:] - within
        return np.sqrt(within * (1 - below) ** 2 + beyond * below**2)

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
        The map of an ndarray of values, and its inverse; NaN for values outside the domain.
    increases : bool, default=True
        Whether the map is increasing.
    typical : float, default=0.0
        A value within the domain: those outside are below or above all others, as they are below or
        above this one.
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
        mapped, inside = self._mapped(values)
        below = self.law.cdf(mapped)
        below = below if self.increases else 1 - below
        return np.where(inside, below, values > self.typical)

    def error(self, values):
        mapped, inside = self._mapped(values)
        return np.where(inside, self.law.error(mapped), 0.0)

    def _mapped(self, values):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            mapped = self.forward(values)
            inside = np.isfinite(mapped)
            typical = self.forward(np.full((1, 1), self.typical))[0, 0]
        return np.where(inside, mapped, typical), inside

    def quantile(self, probabilities):
        probabilities = probabilities if self.increases else 1 - probabilities
        return self.backward(self.law.quantile(probabilities))


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

    def error(self, values):
        each, errors = self._each(self.law.cdf, values), self._each(self.law.error, values)
        mean = (self.shares[..., None] * each).sum(1, keepdims=True)
        squares = self.shares[..., None] ** 2 * (errors**2 + (each - mean) ** 2)
        return np.sqrt(squares.sum(1))

    def quantile(self, probabilities):
        each = self._each(self.law.quantile, probabilities)
        # Laws without weight may lie anywhere.
        counts = (self.shares > 0)[..., None]
        low = np.where(counts, each, np.inf).min(1)
        high = np.where(counts, each, -np.inf).max(1)
        for _ in range(_HALVINGS):
            middle = low + (high - low) / 2
            below = self.cdf(middle) < probabilities
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return high

    def _each(self, function, values):
        n, n_points = self.shares.shape
        found = function(np.repeat(values, n_points, axis=0))
        return found.reshape(n, n_points, -1)

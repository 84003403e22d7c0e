"""Points of the cells of rows, and weights by which the densities there are averaged.

Of one column with cells, the points are those of a Gauss-Legendre rule; of more, they are Sobol
points, as densities of flows have kinks. Where the error of the first few is large, there are more.
Places of points are shares of the training rows of a cell that lie below them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre
from scipy.special import logsumexp
from scipy.stats import qmc

# Points along a single column: at least, usually at first, and at most.
_LEAST_ORDER, _FIRST_ORDER, _LAST_ORDER = 4, 8, 64
# The number of Sobol points asked for at which the errors below are what is aimed at.
_USUAL_DRAWS = 128
# Nats: rows whose error is above get more points.
_SOBOL_TOLERANCE = 0.08
# Sobol points come in stages, each twice as many as before it.
_FIRST_SHARE, _MORE, _N_STAGES = 2, 2, 6
# What a Gauss-Legendre rule of flows often misses, as they have kinks, times its order squared,
# and from where on its distance to coarser rules is no longer usual.
_USUAL_MISS, _LARGE_MISS = 0.8, 2.4
# Points over which coarser rules are worked out.
_FINE_ORDER = 96
# The part of points that are spread evenly, where others keep off the ends of cells.
_EVEN = 0.3
# The same of a Gauss-Legendre rule, which has no need of it but to be smooth.
_EVEN_ALONE = 0.05


@dataclass(frozen=True)
class CellRule:
    """Points of the unit cube and their weights.

    Parameters
    ----------
    places : ndarray of shape (n_points, n_columns)
        The points, a coordinate for each column in which a row has a cell.
    log_weights : ndarray of shape (n_points,)
        Logs of weights that sum to one.
    order : int
        Points of a Gauss-Legendre rule, 0 of Sobol points.
    coarser : ndarray of shape (k, n_points)
        Coarser rules from some of the same points, as ratios of their weights to these.
    n_known : int
        How many points come first that the rule before it has too.
    """

    places: np.ndarray
    log_weights: np.ndarray
    order: int
    coarser: np.ndarray
    n_known: int = 0

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.places)

    def mean_and_error(self, log_values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log of the mean of values at the points, and its standard errors.

        Sobol points are treated as random ones, which is more than their error in most cases. Of a
        Gauss-Legendre rule it is the difference from a coarser rule, which misses more, but no less
        than what such a rule usually misses.

        Parameters
        ----------
        log_values : ndarray of shape (n, n_points, k)
            Logs of the values of n rows, and if k is 2 those of their own errors.

        Returns
        -------
        log_mean : ndarray of shape (n,)
            Nats.
        of_points, of_values : ndarray of shape (n,)
            What comes from the points, and from the errors of values. The latter may be common to
            all points, so it is not divided by their number.
        """
        weighted = log_values + self.log_weights[:, None]
        log_mean = logsumexp(weighted[..., 0], axis=1)
        with np.errstate(invalid="ignore"):
            share = np.nan_to_num(np.exp(weighted - log_mean[:, None, None]))
        of_values = share[..., 1].sum(1) if share.shape[2] > 1 else np.zeros(len(share))
        return log_mean, np.where(np.isfinite(log_mean), self._error(share[..., 0]), 0), of_values

    def _error(self, share):
        n = self.n_points
        if n == 1:
            return np.zeros(len(share))
        if not self.order:
            return share.std(1, ddof=1) * math.sqrt(n)
        distance = self._distance(share)
        # Beside a jump, rules of a few points may agree by chance.
        least = np.where(self._is_usual(distance), _USUAL_MISS / n**2, 1 / n)
        return np.hypot(distance, least)

    def _distance(self, share):
        """The distance to the nearest of the coarser rules, each good for other shapes."""
        return np.abs(share @ self.coarser.T - 1).min(1)

    def _is_usual(self, distance):
        return distance <= _LARGE_MISS / self.order**2

    def wants_more(self, log_values: np.ndarray, n_draws: int) -> np.ndarray:
        """Which rows get more points, if there are rules of more.

        Parameters
        ----------
        log_values : ndarray of shape (n, n_points, k)
            As `mean_and_error` takes them.
        n_draws : int
            Number of Sobol points that was asked for, which errors go by.
        """
        log_mean, error, _ = self.mean_and_error(log_values)
        tolerance = _SOBOL_TOLERANCE * math.sqrt(_USUAL_DRAWS / n_draws)
        if self.order:
            with np.errstate(invalid="ignore"):
                share = np.exp(log_values[..., 0] + self.log_weights - log_mean[:, None])
            large = ~self._is_usual(self._distance(share))
        else:
            large = error > tolerance
        # What lies between the first points is not known where all of them are impossible.
        return large | np.isneginf(log_mean)


def rules(n_cells: int, n_columns: int, n_draws: int) -> list[CellRule]:
    """Rules for rows of so many cells, each of more points than the one before it.

    Parameters
    ----------
    n_cells : int
        In how many columns the rows have a cell.
    n_columns : int
        In how many columns rows may have one.
    n_draws : int
        Number of Sobol points that is asked for.
    """
    if n_cells == 0:
        return [single_point()]
    if n_cells == 1:
        orders = [first_order(n_draws)]
        while 2 * orders[-1] <= _LAST_ORDER:
            orders.append(2 * orders[-1])
        return [gauss_rule(order) for order in orders]
    first = max(2, power_of_two(n_draws) // _FIRST_SHARE)
    numbers = [first * _MORE**stage for stage in range(_N_STAGES)]
    known = [0, *numbers]
    return [sobol_rule(n, n_columns, m) for n, m in zip(numbers, known, strict=False)]


def few_points(n_cells: int, n_points: int) -> CellRule:
    """One rule of about so many points that stand for the cells of a row.

    Parameters
    ----------
    n_cells : int
        In how many columns the row has a cell.
    n_points : int
        Number of points, of which a single column has fewer.
    """
    if n_cells < 2:
        return gauss_rule(2 * _FIRST_ORDER) if n_cells else single_point()
    return sobol_rule(n_points, n_cells)


def first_order(n_draws: int) -> int:
    """Points along a single column at first.

    Parameters
    ----------
    n_draws : int
        Number of Sobol points that is asked for; four times as many double the points.
    """
    order = round(_FIRST_ORDER * 2.0 ** round(math.log2(n_draws / _USUAL_DRAWS) / 2))
    return min(max(order, _LEAST_ORDER), _LAST_ORDER)


def power_of_two(n: int) -> int:
    """The least power of two that is no less than n."""
    return 2 ** math.ceil(math.log2(n))


def single_point() -> CellRule:
    """The rule of rows without cells."""
    return CellRule(np.zeros((1, 0)), np.zeros(1), 0, np.ones((0, 1)))


@lru_cache(maxsize=32)
def gauss_rule(order: int) -> CellRule:
    """A Gauss-Legendre rule.

    Parameters
    ----------
    order : int
        Number of points, at least 4.
    """
    x, w = _unit_interval(order)
    return CellRule(x[:, None], np.log(w), order, _coarser_ratios(x))


@lru_cache(maxsize=32)
def sobol_rule(n_points: int, n_columns: int, n_known: int = 0) -> CellRule:
    """Scrambled Sobol points, the same ones at every call.

    Parameters
    ----------
    n_points : int
        Their number, a power of two.
    n_columns : int
        Number of columns.
    n_known : int, default=0
        How many come first that the rule before it has too.
    """
    sobol = qmc.Sobol(n_columns, scramble=True, seed=0)
    places = sobol.random_base2(power_of_two(n_points).bit_length() - 1)
    log_weights = np.full(len(places), -math.log(len(places)))
    return CellRule(places, log_weights, 0, np.ones((0, len(places))), n_known)


def toward_middles(u: np.ndarray, alone: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Even points moved off the ends of cells, where training rows are rare.

    Training rows have a density of ``6 u (1 - u)`` in the cell of a level. Points that have it too
    in most parts, and are even in the others, vary least in what they stand for.

    Parameters
    ----------
    u : ndarray
        Points of the unit interval.
    alone : bool, default=False
        Whether points are to be as rare as `from_middles` takes them to be.

    Returns
    -------
    places, log_weights : ndarray of that shape
        The points that were moved there, and the logs of their weights, whose mean is one.
    """
    even = _EVEN_ALONE if alone else _EVEN
    # The middle root of a cubic in the distance from the middle.
    third = (0.5 - even / 6) / (2 - 2 * even)
    sine = (u - 0.5) / (4 * (1 - even) * third**1.5)
    x = 0.5 + 2 * math.sqrt(third) * np.sin(np.arcsin(sine) / 3)
    # One step of Newton's takes rounding off, but at the ends.
    step = (_below(x, even) - u) / _slope(x, even)
    x = np.where((u == 0) | (u == 1), u, np.clip(x - step, 0, 1))
    return x, -np.log(_slope(x, even))


def from_middles(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of a Gauss-Legendre rule as shares of the training rows of a cell below them.

    Where nothing moves these shares, `toward_middles` leads back, and the rule stays what it is.

    Parameters
    ----------
    x : ndarray
        Points of the unit interval.

    Returns
    -------
    shares, log_weights : ndarray of that shape
        Shares of rows, and the logs of the weights of the points.
    """
    return _below(x, _EVEN_ALONE), np.log(_slope(x, _EVEN_ALONE))


def _below(x, even):
    return (1 - even) * x**2 * (3 - 2 * x) + even * x


def _slope(x, even):
    return (1 - even) * 6 * x * (1 - x) + even


def _unit_interval(order):
    """Points and weights of a Gauss-Legendre rule on the unit interval."""
    x, w = legendre.leggauss(order)
    return (x + 1) / 2, w / 2


def _coarser_ratios(x):
    """Rules from some of the points: for values that are even, and that are rare at the ends."""
    n = len(x)
    # Without the outermost ones, and every fourth from either end.
    left_out = np.arange(0, n // 2, 4)
    chosen = np.setdiff1d(np.arange(n), [left_out, n - 1 - left_out])
    fine, weight = _unit_interval(_FINE_ORDER)
    w = _unit_interval(n)[1]
    ratios = np.zeros((2, n))
    for k, shape in enumerate([np.ones_like, lambda u: 6 * u * (1 - u)]):
        basis = legendre.legvander(2 * x[chosen] - 1, len(chosen) - 1)
        integrals = (weight * shape(fine)) @ legendre.legvander(2 * fine - 1, len(chosen) - 1)
        ratios[k, chosen] = np.linalg.solve(basis.T, integrals) / shape(x[chosen]) / w[chosen]
    return ratios

"""Variational autoencoders initialised as a factor analysis, higher orders by their polynomials."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils.extmath import randomized_svd
from torch import nn

_N_STEPS = 30
# Rows from which factors are estimated; more change them little.
_MAX_ROWS = 5000
# Least unique variance of a column, of its whole variance.
_LEAST_OWN_SHARE = 1e-3
# Least variance of a column, relative to the largest one.
_LEAST_VARIANCE = 1e-3
# Least standard deviation along an axis of the polynomials beyond the order below, relative to
# their root mean square.
_LEAST_NEWS = 1e-3


@dataclass(frozen=True)
class FactorStart:
    """A factor analysis, and linear maps of the polynomials of higher orders.

    Parameters
    ----------
    loadings : ndarray of shape (d, k)
        Factor loadings.
    mean, deviation : ndarray of shape (d,)
        Mean of each column, and the standard deviation that the factors leave unexplained.
    orders : list of tuple (first, weight, bias, below)
        As `order_starts` returns them.
    """

    loadings: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    orders: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]

    # The factors settle nothing about the shape of the module.
    config = {}

    @classmethod
    def of(
        cls,
        Z: np.ndarray,
        weight: np.ndarray | None,
        n_factors: int,
        features: Callable[[torch.Tensor], torch.Tensor],
        k: int,
        signal: float,
        rng: np.random.RandomState,
    ) -> FactorStart:
        """Fit the start to standardised rows, or to a sample of many.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Rows.
        weight : ndarray of shape (n,) or None
            Their weights.
        n_factors : int
            Largest number of factors.
        features : callable
            Polynomials of rows, (n, d) -> (degree, d, n).
        k : int
            Latent columns of an order.
        signal : float
            Variance that the maps of higher orders give their columns.
        rng : RandomState
            Source of randomness.

        Returns
        -------
        FactorStart
            The start.
        """
        if len(Z) > _MAX_ROWS:
            rows = rng.permutation(len(Z))[:_MAX_ROWS]
            Z, weight = Z[rows], None if weight is None else weight[rows]
        factors = factor_start(Z, weight, n_factors, rng)
        orders = features(torch.from_numpy(Z)).numpy().swapaxes(1, 2)
        return cls(*factors, order_starts(orders, factor_scores(Z, *factors), k, signal, rng))

    def initialise(self, module: nn.Module) -> None:
        """Put the factors, then the maps of higher orders, into an autoencoder."""

        def tensors(arrays):
            return (torch.from_numpy(array).to(module.mixing) for array in arrays)

        module.start(*tensors((self.loadings, self.mean, self.deviation)))
        for first, *arrays in self.orders:
            module.start_order(first, *tensors(arrays))


def factor_start(
    Z: np.ndarray, weight: np.ndarray | None, n_factors: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factor loadings, means and unique standard deviations, by expectation maximisation.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows.
    weight : ndarray of shape (n,) or None
        Their weights.
    n_factors : int
        Largest number of factors.
    rng : RandomState
        Source of the first decomposition.

    Returns
    -------
    loadings : ndarray of shape (d, k)
        Factor loadings, the best determined factor first, rotated so that the factors are
        independent given a row.
    mean, deviation : ndarray of shape (d,)
        Mean of each column, and the standard deviation that the factors leave unexplained.
    """
    n, d = Z.shape
    mean = np.average(Z, axis=0, weights=weight)
    share = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    rows = (Z - mean) * np.sqrt(share)[:, None]
    variance = (rows**2).sum(0)
    # Divided by its own tiny variance, a column that hardly varies would dominate all others.
    variance = np.maximum(variance, _LEAST_VARIANCE * (variance.max() or 1.0))
    # Scaled to unit variance, so that no column counts more than others.
    rows = rows / np.sqrt(variance)
    # With as many factors as rows, nothing would be left for the unique variances.
    k, least_own = min(n_factors, d, max(1, n // 4)), max(_LEAST_OWN_SHARE, 1 / n)
    _, singular, axes = randomized_svd(rows, k, random_state=rng)
    left = max(d - (singular**2).sum(), 0.0) / max(d - k, 1)
    own_share = max(left, 0.1 * d / (d + k))
    loadings = axes.T * np.sqrt(np.maximum(singular**2 - own_share, 1e-4))
    own = np.clip(1 - (loadings**2).sum(1), least_own, 1.0)
    for _ in range(_N_STEPS):
        weighted = loadings / own[:, None]
        inner = np.linalg.inv(np.eye(k) + loadings.T @ weighted)
        scores = rows @ (weighted @ inner)
        cross = rows.T @ scores
        loadings = np.linalg.solve(inner + scores.T @ scores, cross.T).T
        own = np.clip(1 - (loadings * cross).sum(1), least_own, 1.0)
    deviation = np.sqrt(variance)
    values, rotation = np.linalg.eigh(loadings.T @ (loadings / own[:, None]))
    loadings = loadings @ rotation[:, values.argsort()[::-1]]
    return loadings * deviation[:, None], mean, np.sqrt(own) * deviation


def factor_scores(
    Z: np.ndarray, loadings: np.ndarray, mean: np.ndarray, deviation: np.ndarray
) -> np.ndarray:
    """Expected factors of each row, shape (n, k)."""
    weighted = loadings / deviation[:, None] ** 2
    return (Z - mean) @ (weighted / (1 + (weighted * loadings).sum(0)))


def order_starts(
    orders: np.ndarray, factors: np.ndarray, k: int, signal: float, rng: np.random.RandomState
) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Linear maps of the polynomials of higher orders, for latent columns without a factor.

    Each order gets the principal axes of what its polynomials tell beyond the columns before.

    Parameters
    ----------
    orders : ndarray of shape (degree, n, d)
        Polynomials of the rows.
    factors : ndarray of shape (n, n_factors)
        Scores of the factors: the first columns of the latent.
    k : int
        Number of columns of an order.
    signal : float
        Variance of each new column beyond what the columns before explain.
    rng : RandomState
        Source of the first step of the decompositions.

    Returns
    -------
    list of (first, weight, bias, below)
        For each order above the first that has columns left: the first of these, the weights
        (q, d) and biases (q,) of q columns, and the regression (k, k) of the order on that below.
    """
    n, n_factors = factors.shape
    columns, starts = np.zeros((n, k * len(orders))), []
    columns[:, :n_factors] = factors - factors.mean(0)
    for order in range(1, len(orders)):
        first, end = max(n_factors, order * k), (order + 1) * k
        if first >= end:
            continue
        rows = orders[order]
        # Even orders of zeros and ones are constant: next to nothing is told by their rounding.
        least = _LEAST_NEWS * np.sqrt((rows**2).mean())
        centre = rows.mean(0)
        rows, seen = rows - centre, columns[:, :first]
        rest = rows - seen @ np.linalg.lstsq(seen, rows, rcond=None)[0]
        _, _, axes = randomized_svd(rest, min(end - first, *rest.shape), random_state=rng)
        deviation = (rest @ axes.T).std(0)
        # Axes along which nothing is left would be noise, magnified.
        known = deviation > least
        weight = math.sqrt(signal) * axes[known] / deviation[known, None]
        columns[:, first : first + len(weight)] = rows @ weight.T
        own, below = columns[:, order * k : end], columns[:, (order - 1) * k : order * k]
        regression = np.linalg.lstsq(below, own, rcond=None)[0].T
        starts.append((first, weight, -weight @ centre, regression))
    return starts

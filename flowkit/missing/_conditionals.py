"""Gaussian mixtures of incomplete rows: fitted, and conditioned on known values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.special import gammaincinv, gammaln, ndtri
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin

from ..columns import constant_columns
from ..starts import draw_rows

# Rows that the search for a mixture looks at; more change it little and cost much.
_MAX_ROWS = 2_000
_COMPONENTS = (1, 2, 4, 8, 16)
# Wider rows get one Gaussian: covariance matrices have d^2 / 2 numbers a component.
_MAX_MIXED_FEATURES = 64
# Fewer known rows than this for each column and component tell nothing of a covariance matrix.
_ROWS_A_FEATURE = 5
_MAX_STEPS = 100
# Components of less weight are given up.
_LEAST_SHARE = 1e-6
# Gain of the mean log density, in nats, below which a fit ends.
_TOLERANCE = 1e-3
# Share of the columns' variances that each component gets as if from one more row.
_PRIOR_SHARE = 0.1
# How much wider than the conditional defensive draws are, and how heavy their tails.
_WIDTH, _FREEDOM = 1.5, 4
# Clusters that a mixture is initialised from have at least this share of the columns' variances.
_NARROWEST_CLUSTER = 0.1
# Components fitted to draws of a density, of which there may be any number, and the fewest draws
# for each column and component.
_DRAWN_COMPONENTS, _DRAWS_A_FEATURE = 8, 20
# Values of matrices that are worked on at once, and rows that are scored at once.
_MAX_VALUES, _ROWS_AT_ONCE = 2**21, 2**12


@dataclass(frozen=True)
class Mixture:
    """Gaussian mixture, stored as precision matrices.

    Given the known values of a row, the missing ones are Gaussian in each component, and their
    precision matrix is a block of the component's. So only matrices of the size of the missing
    part are inverted.

    Parameters
    ----------
    weights : ndarray of shape (k,)
        Positive weights.
    means : ndarray of shape (k, d)
        Means.
    precisions : ndarray of shape (k, d, d)
        Inverse covariance matrices.
    """

    weights: np.ndarray
    means: np.ndarray
    precisions: np.ndarray

    def merged(self) -> Mixture:
        """One Gaussian of the mean and the covariance of the mixture."""
        mean = self.weights @ self.means
        away = self.means - mean
        within = np.linalg.inv(self.precisions) + away[:, :, None] * away[:, None, :]
        covariance = np.einsum("k,kij->ij", self.weights, within)
        return Mixture(np.ones(1), mean[None], np.linalg.inv(covariance)[None])

    def given(self, Z: np.ndarray) -> Iterator[tuple[np.ndarray, Conditional]]:
        """The mixture given what is known of rows, those with equally many holes together.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Rows, NaN where values are missing.

        Yields
        ------
        tuple of ndarray of int and Conditional
            Indices of some of the rows, and what is open in them.
        """
        missing = np.isnan(Z)
        n_missing = missing.sum(1)
        for m in np.unique(n_missing):
            rows = np.flatnonzero(n_missing == m)
            size = max(1, _MAX_VALUES // (len(self.weights) * max(m * m, Z.shape[1])))
            for i in range(0, len(rows), size):
                part = rows[i : i + size]
                columns = np.nonzero(missing[part])[1].reshape(len(part), m)
                yield part, self._conditional(Z[part], missing[part], columns)

    def _conditional(self, Z, missing, columns):
        n_known = Z.shape[1] - columns.shape[1]
        deviation = np.where(missing, 0.0, Z - self.means[:, None])
        # Far off, where squares overflow, nothing is left to compare.
        with np.errstate(over="ignore", invalid="ignore"):
            pull = deviation @ self.precisions
            root = np.linalg.cholesky(self.precisions[:, columns[:, :, None], columns[:, None, :]])
            spread = np.linalg.inv(root)
            pull_inside = np.take_along_axis(pull, columns[None], 2)
            shift = -_covariance(spread) @ pull_inside[..., None]
            square = (deviation * pull).sum(2) + (pull_inside * shift[..., 0]).sum(2)
            log_volume = _log_diagonal(np.linalg.cholesky(self.precisions))[:, None]
            log_norm = log_volume - _log_diagonal(root) - 0.5 * n_known * math.log(2 * math.pi)
            log_joint = np.log(self.weights)[:, None] + log_norm - 0.5 * square
        mean = shift[..., 0] + self.means[:, columns]
        return Conditional(columns, log_joint, mean, root, spread, self.weights)

    def log_density(self, Z: np.ndarray) -> np.ndarray:
        """Log density of what is known of each row, 0 where that is nothing.

        Parameters
        ----------
        Z : ndarray of shape (n, d)
            Rows, NaN where values are missing.

        Returns
        -------
        ndarray of shape (n,)
            Nats.
        """
        log_density = np.empty(len(Z))
        for rows, conditional in self.given(Z):
            log_density[rows] = log_sum(conditional.log_joint)
        return log_density


@dataclass(frozen=True)
class Conditional:
    """Mixture of what is missing from n rows, each of which lacks m values.

    Parameters
    ----------
    columns : ndarray of int of shape (n, m)
        Which columns.
    log_joint : ndarray of shape (k, n)
        Log of weight times density of what is known, for every component.
    mean : ndarray of shape (k, n, m)
        Means of what is missing.
    root, spread : ndarray of shape (k, n, m, m)
        Lower triangular factors of its precision matrices, and their inverses.
    weights : ndarray of shape (k,)
        Weights of the components before anything is known.
    """

    columns: np.ndarray
    log_joint: np.ndarray
    mean: np.ndarray
    root: np.ndarray
    spread: np.ndarray
    weights: np.ndarray

    def of_rows(self, rows) -> Conditional:
        """The mixtures of some of the rows, by their indices or a mask."""
        by_row = (self.log_joint, self.mean, self.root, self.spread)
        return Conditional(self.columns[rows], *(part[:, rows] for part in by_row), self.weights)

    @cached_property
    def shares(self) -> np.ndarray:
        """Probability of each component given what is known, shape (k, n)."""
        with np.errstate(invalid="ignore"):
            share = np.exp(self.log_joint - log_sum(self.log_joint))
        weights = self.weights[:, None] / self.weights.sum()
        return np.where(np.isnan(share).any(0), weights, share)

    @property
    def _cautious_shares(self):
        """Mean of the probabilities given what is known, and of the weights before."""
        return 0.5 * self.shares + 0.5 * self.weights[:, None] / self.weights.sum()

    def draw(self, points: np.ndarray, wide: bool) -> np.ndarray:
        """Values of the missing columns.

        Parameters
        ----------
        points : ndarray of shape (n, s, m + 2)
            Uniform on (0, 1): they say which component, how far off, and where.
        wide : bool
            Whether to draw from the wider mixture of Student's distributions.

        Returns
        -------
        ndarray of shape (n, s, m)
            The draws.
        """
        cumulative = (self._cautious_shares if wide else self.shares).cumsum(0)
        component = (points[None, :, :, 0] > cumulative[:-1, :, None]).sum(0)
        noise = ndtri(points[:, :, 2:])
        if wide:
            square = 2 * gammaincinv(_FREEDOM / 2, points[:, :, 1])
            noise = noise * (_WIDTH * np.sqrt(_FREEDOM / square))[..., None]
        values = np.empty_like(noise)
        for k in np.flatnonzero(np.bincount(component.ravel())):
            drawn = self.mean[k][:, None] + noise @ self.spread[k]
            np.copyto(values, drawn, where=(component == k)[..., None])
        return values

    def log_densities(self, values: np.ndarray, wide: bool = True) -> list[np.ndarray]:
        """Log densities of values of the missing columns, and under the wider mixture.

        Parameters
        ----------
        values : ndarray of shape (n, s, m)
            Values.
        wide : bool, default=True
            Whether to look at the wider mixture too.

        Returns
        -------
        list of ndarray of shape (n, s)
            Nats.
        """
        m = values.shape[2]
        volume = _log_diagonal(self.root)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            square = np.stack(
                [
                    (((values - mean[:, None]) @ root) ** 2).sum(2)
                    for mean, root in zip(self.mean, self.root, strict=True)
                ]
            )
            own = log_sum((np.log(self.shares) + volume)[..., None] - 0.5 * square)
            own -= 0.5 * m * math.log(2 * math.pi)
            if not wide:
                return [own]
            half = (_FREEDOM + m) / 2
            heavy = (np.log(self._cautious_shares) + volume)[..., None]
            heavy = log_sum(heavy - half * np.log1p(square / (_FREEDOM * _WIDTH**2)))
        log_norm = gammaln(half) - gammaln(_FREEDOM / 2)
        log_norm -= 0.5 * m * math.log(_FREEDOM * math.pi) + m * math.log(_WIDTH)
        return [own, heavy + log_norm]


def fit_incomplete(Z: np.ndarray, weight: np.ndarray | None, rng: np.random.RandomState) -> Mixture:
    """Mixture of the least BIC among several sizes, fitted to rows with missing values.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows, NaN where values are missing; none of columns and rows is entirely missing.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    Mixture
        The fitted mixture.

    References
    ----------
    Ghahramani, Jordan, "Supervised learning from incomplete data via an EM approach", NIPS 1993.
    """
    rows = Z[draw_rows(len(Z), weight, rng, _MAX_ROWS)]
    variance = variances(rows)
    n, d = rows.shape
    one = Mixture(np.ones(1), _known_mean(rows)[None], np.diag(1 / variance)[None])
    best, best_bic = None, np.inf
    for size in _COMPONENTS:
        if size > 1 and (d > _MAX_MIXED_FEATURES or size * d * _ROWS_A_FEATURE > n):
            break
        start = one if size == 1 else _spread_out(best, rows, size, rng)
        mixture = maximise(start, rows, variance)
        n_parameters = len(mixture.weights) * (d + 1) * (d + 2) / 2 - 1
        bic = math.log(n) * n_parameters - 2 * mixture.log_density(rows).sum()
        if bic > best_bic:
            break
        best, best_bic = mixture, bic
    return best


def fit_draws(Z: np.ndarray, variance: np.ndarray, rng: np.random.RandomState) -> Mixture:
    """Mixture of several components, fitted to draws of a density.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Draws.
    variance : ndarray of shape (d,)
        Variances towards which covariances are regularised.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    Mixture
        The fitted mixture.
    """
    n, d = Z.shape
    size = 1 if d > _MAX_MIXED_FEATURES else n // (d * _DRAWS_A_FEATURE)
    size = min(max(size, 1), _DRAWN_COMPONENTS)
    one = Mixture(np.ones(1), Z.mean(0)[None], np.diag(1 / variances(Z))[None])
    return maximise(_spread_out(one, Z, size, rng), Z, variance)


def variances(Z: np.ndarray) -> np.ndarray:
    """Variances of what is known of columns, none of them zero.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Rows, NaN where values are missing.

    Returns
    -------
    ndarray of shape (d,)
        Variances; one where a column does not vary.
    """
    variance = _known_mean((Z - _known_mean(Z)) ** 2)
    return np.where(constant_columns(Z) | (variance == 0), 1.0, variance)


def _known_mean(Z):
    known = ~np.isnan(Z)
    return np.where(known, Z, 0.0).sum(0) / np.maximum(known.sum(0), 1)


def maximise(
    mixture: Mixture, Z: np.ndarray, variance: np.ndarray, max_steps: int = _MAX_STEPS
) -> Mixture:
    """Expectation maximisation from a start.

    Parameters
    ----------
    mixture : Mixture
        The start.
    Z : ndarray of shape (n, d)
        Rows, NaN where values are missing.
    variance : ndarray of shape (d,)
        Variances of the columns, towards which covariances are regularised.
    max_steps : int, default=100
        Largest number of steps.

    Returns
    -------
    Mixture
        A likelier mixture, but for the regularisation of its covariances.
    """
    reached = -np.inf
    for _ in range(max_steps):
        better, log_density = _step(mixture, Z, variance)
        if log_density < reached + _TOLERANCE:
            break
        mixture, reached = better, log_density
    return mixture


def _step(mixture, Z, variance):
    """The mixture after one step, and the mean log density before it."""
    k, d = mixture.means.shape
    total, first, second = np.zeros(k), np.zeros((k, d)), np.zeros((k, d, d))
    log_density = 0.0
    for rows, conditional in mixture.given(Z):
        share, columns = conditional.shares, conditional.columns
        log_density += log_sum(conditional.log_joint).sum()
        covariance = _covariance(conditional.spread)
        places = (columns[:, :, None] * d + columns[:, None, :]).ravel()
        for j in range(k):
            # Deviations from the last mean: squares of columns far from zero would cancel.
            full = Z[rows] - mixture.means[j]
            np.put_along_axis(full, columns, conditional.mean[j] - mixture.means[j][columns], 1)
            weighted = share[j, :, None] * full
            total[j] += share[j].sum()
            first[j] += weighted.sum(0)
            second[j] += weighted.T @ full
            inside = (share[j, :, None, None] * covariance[j]).ravel()
            second[j] += np.bincount(places, inside, d * d).reshape(d, d)
    kept = total > _LEAST_SHARE * len(Z)
    total, first, second = total[kept], first[kept], second[kept]
    shift = first / total[:, None]
    scatter = second - total[:, None, None] * shift[:, :, None] * shift[:, None, :]
    covariance = (scatter + _PRIOR_SHARE * np.diag(variance)) / (total[:, None, None] + 1)
    precisions = np.linalg.inv(covariance)
    precisions = 0.5 * (precisions + precisions.swapaxes(1, 2))
    means = mixture.means[kept] + shift
    return Mixture(total / total.sum(), means, precisions), log_density / len(Z)


def _spread_out(mixture, Z, size, rng):
    """Start of a larger mixture: clusters of the rows as a smaller one completes them."""
    Z = Z.copy()
    for rows, conditional in mixture.given(Z):
        points = rng.uniform(size=(len(rows), 1, conditional.columns.shape[1] + 2))
        Z[rows[:, None], conditional.columns] = conditional.draw(points, wide=False)[:, 0]
    whole = variances(Z)
    scaled = Z / np.sqrt(whole)
    centres, _ = kmeans_plusplus(scaled, size, random_state=rng)
    label = np.unique(pairwise_distances_argmin(scaled, centres), return_inverse=True)[1]
    clusters = [Z[label == k] for k in range(label.max() + 1)]
    narrowest = _NARROWEST_CLUSTER * whole
    return Mixture(
        np.array([len(cluster) for cluster in clusters]) / len(Z),
        np.array([cluster.mean(0) for cluster in clusters]),
        np.array([np.diag(1 / np.maximum(cluster.var(0), narrowest)) for cluster in clusters]),
    )


def closed_form(module: torch.nn.Module, Z: np.ndarray, device: torch.device) -> np.ndarray | None:
    """Log density of what is known of rows, where it can be had without sampling.

    Parameters
    ----------
    module : flowkit.modules.Flow
        Density, in double precision.
    Z : ndarray of shape (n, d)
        Rows, NaN where values are missing.
    device : torch.device
        Where the module is.

    Returns
    -------
    ndarray of shape (n,) or None
        Nats; None where there is no closed form.
    """
    if not module.has_marginals:
        # The kernel on a row itself is left out of its score.
        module = None if module.has_kernels else module.unmixed()
        if module is None or not module.has_marginals:
            return None
    parts = torch.from_numpy(Z).split(_ROWS_AT_ONCE)
    with torch.no_grad():
        scores = [
            module.log_prob_marginal(part, ~part.isnan()).cpu().numpy()
            for part in (part.to(device) for part in parts)
        ]
    return np.concatenate(scores)


def log_sum(log_values: np.ndarray) -> np.ndarray:
    """Log of the sum of exponentials along the first axis, in few steps."""
    top = log_values.max(0)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        return np.log(np.exp(log_values - top).sum(0)) + top


def _covariance(spread):
    return spread.swapaxes(2, 3) @ spread


def _log_diagonal(triangular):
    return np.log(np.diagonal(triangular, axis1=-2, axis2=-1)).sum(-1)

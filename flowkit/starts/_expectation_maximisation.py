"""Gaussian mixtures by expectation maximisation, fast enough to try many of them."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin

from ._flow_start import MixtureStart

# Rows that a component without any counts as, so that it has a mean and a weight.
_TINY = 1e-10
# Least share of the variance of all rows that a component begins with.
_LEAST_FIRST_SHARE = 0.1
# Rows of a component count as centres of new ones up to so many times their mean squared distance.
_FARTHEST = 20.0
# Shares of its covariance that a component keeps, and that those put next to it begin with.
_LEFT_SHARE, _CHILD_SHARE = 0.75, 0.5
# Regularisations below this need differences from the means, of which products lose digits.
_FINEST_FOR_PRODUCTS = 1e-7


def improve(
    mixture: MixtureStart,
    Z: np.ndarray,
    regularisation: float,
    *,
    max_iter: int = 100,
    tol: float = 1e-3,
) -> tuple[MixtureStart, float]:
    """A likelier mixture of as many components, and the mean log density that it gives to its rows.

    Parameters
    ----------
    mixture : MixtureStart
        Where to begin.
    Z : ndarray of shape (n, d)
        Rows of about unit scale.
    regularisation : float
        Added to the variances of a component, divided by the number of its rows: with fewer rows
        a narrow component is more likely to be one by chance.
    max_iter : int, default=100
        Most iterations.
    tol : float, default=1e-3
        Gain of the mean log density, in nats, below which iterations end.

    Returns
    -------
    mixture : MixtureStart
        The mixture.
    log_density : float
        Mean log density of the rows, in nats, under the mixture of one iteration before.
    """
    rows, reached = _rows_for(Z, mixture.covariance, regularisation), -np.inf
    for _ in range(max_iter):
        joint = rows.log_joint(mixture)
        log_density = _normalise(joint).mean()
        if log_density - reached < tol:
            break
        reached = log_density
        mixture = rows.maximise(joint, regularisation)
    return mixture, float(log_density)


def spread_out(
    Z: np.ndarray, size: int, covariance: str, rng: np.random.RandomState, regularisation: float
) -> MixtureStart:
    """Components on rows far from each other; fewer where there are fewer distinct rows."""
    # k-means runs on several threads, whose sums differ in the last bits from run to run; one
    # assignment to centres that are spread out does not.
    centres, _ = kmeans_plusplus(Z, min(size, len(Z)), random_state=rng)
    # Equal rows can be drawn as centres twice; all but one of those would stay empty.
    used, label = np.unique(pairwise_distances_argmin(Z, centres), return_inverse=True)
    parts = [Z[label == k] for k in range(len(used))]
    least = _LEAST_FIRST_SHARE * Z.var(0) + regularisation
    variances = np.array([np.maximum(part.var(0), least) for part in parts])
    full = variances[:, :, None] * np.eye(Z.shape[1]) if covariance == "full" else variances
    means = np.array([part.mean(0) for part in parts])
    return MixtureStart(np.bincount(label) / len(Z), means, full, covariance)


def grown(
    mixture: MixtureStart,
    Z: np.ndarray,
    size: int,
    rng: np.random.RandomState,
    regularisation: float,
) -> MixtureStart:
    """A mixture with more components, new ones on rows that are far out in theirs."""
    n_new = min(size - len(mixture.weights), len(Z))
    if n_new < 1:
        return mixture
    joint = _rows_for(Z, mixture.covariance, regularisation).log_joint(mixture)
    parent = joint.argmax(1)
    distance = 2 * (_log_peaks(mixture)[parent] - joint[np.arange(len(Z)), parent])
    distance = np.clip(distance, 0.0, _FARTHEST * distance.mean()) + _TINY
    chosen = rng.choice(len(Z), n_new, replace=False, p=distance / distance.sum())
    parent = parent[chosen]
    n_children = np.bincount(parent, minlength=len(mixture.weights))
    share = mixture.weights / (1 + n_children)
    covariances = mixture.covariances.copy()
    covariances[n_children > 0] *= _LEFT_SHARE
    return MixtureStart(
        np.concatenate([share, share[parent]]),
        np.concatenate([mixture.means, Z[chosen]]),
        np.concatenate([covariances, _CHILD_SHARE * mixture.covariances[parent]]),
        mixture.covariance,
    )


def log_density(mixture: MixtureStart, Z: np.ndarray) -> np.ndarray:
    """Log density of rows, in nats, shape (n,)."""
    return logsumexp(_Differences(Z, mixture.covariance).log_joint(mixture), axis=1)


def least_variances(mixture: MixtureStart) -> np.ndarray:
    """Variance of each component along its narrowest direction."""
    if mixture.covariance == "diag":
        return mixture.covariances.min(1)
    return np.linalg.eigvalsh(mixture.covariances)[:, 0]


def _rows_for(Z, covariance, regularisation):
    return (_Products if regularisation >= _FINEST_FOR_PRODUCTS else _Differences)(Z, covariance)


def _normalise(joint):
    """Turn log joint densities into responsibilities, in place; the log densities."""
    highest = joint.max(1, keepdims=True)
    joint -= highest
    np.exp(joint, out=joint)
    total = joint.sum(1, keepdims=True)
    joint /= total
    return (np.log(total) + highest)[:, 0]


def _log_peaks(mixture):
    """Log of weight times density of each component at its mean."""
    if mixture.covariance == "diag":
        log_volume = 0.5 * np.log(mixture.covariances).sum(1)
    else:
        log_volume = 0.5 * np.linalg.slogdet(mixture.covariances)[1]
    d = mixture.means.shape[1]
    return np.log(mixture.weights) - log_volume - 0.5 * d * math.log(2 * math.pi)


class _Rows:
    """Rows of which a mixture of one form of covariances is estimated."""

    def __init__(self, Z: np.ndarray, covariance: str):
        self.Z, self.covariance = Z, covariance

    def log_joint(self, mixture: MixtureStart) -> np.ndarray:
        """Log of weight times density of each component, shape (n, k)."""
        raise NotImplementedError

    def moments(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Number of rows, mean and covariance of each component."""
        raise NotImplementedError

    def maximise(self, share: np.ndarray, regularisation: float) -> MixtureStart:
        """The likeliest mixture for responsibilities of shape (n, k)."""
        n_rows, means, covariances = self.moments(share)
        added = regularisation / np.maximum(n_rows, 1.0)
        if self.covariance == "diag":
            covariances = np.maximum(covariances, 0.0) + added[:, None]
        else:
            covariances = covariances + added[:, None, None] * np.eye(self.Z.shape[1])
        return MixtureStart(n_rows / n_rows.sum(), means, covariances, self.covariance)


class _Products(_Rows):
    """Two matrix products a step: densities are exponentials of a linear map of products."""

    def __init__(self, Z, covariance):
        super().__init__(Z, covariance)
        d = Z.shape[1]
        self.pairs = (np.arange(d),) * 2 if covariance == "diag" else np.triu_indices(d)
        first, second = self.pairs
        self.products = np.hstack([Z[:, first] * Z[:, second], Z, np.ones((len(Z), 1))])

    def log_joint(self, mixture):
        first, second = self.pairs
        if self.covariance == "diag":
            square = 1 / mixture.covariances
            pull = square * mixture.means
        else:
            root = np.linalg.cholesky(mixture.covariances)
            whitening = np.linalg.inv(root)
            precision = whitening.transpose(0, 2, 1) @ whitening
            pull = (precision @ mixture.means[:, :, None])[:, :, 0]
            square = precision[:, first, second] * np.where(first == second, 1.0, 2.0)
        constant = _log_peaks(mixture) - 0.5 * (pull * mixture.means).sum(1)
        return self.products @ np.hstack([-0.5 * square, pull, constant[:, None]]).T

    def moments(self, share):
        first, second = self.pairs
        d = self.Z.shape[1]
        sums = share.T @ self.products
        n_rows = sums[:, -1] + _TINY
        means = sums[:, -1 - d : -1] / n_rows[:, None]
        squares = sums[:, : -1 - d] / n_rows[:, None] - means[:, first] * means[:, second]
        if self.covariance == "diag":
            return n_rows, means, squares
        covariances = np.empty((len(means), d, d))
        covariances[:, first, second] = covariances[:, second, first] = squares
        return n_rows, means, covariances


class _Differences(_Rows):
    """Differences from the means, component by component: slower, with all digits."""

    def log_joint(self, mixture):
        squares = np.empty((len(self.Z), len(mixture.weights)))
        scales = mixture.covariances
        if self.covariance == "full":
            scales = np.linalg.inv(np.linalg.cholesky(scales)).transpose(0, 2, 1)
        for k, (mean, scale) in enumerate(zip(mixture.means, scales, strict=True)):
            difference = self.Z - mean
            if self.covariance == "diag":
                squares[:, k] = difference**2 @ (1 / scale)
            else:
                white = difference @ scale
                squares[:, k] = np.einsum("ij,ij->i", white, white)
        return _log_peaks(mixture) - 0.5 * squares

    def moments(self, share):
        n_rows = share.sum(0) + _TINY
        means = share.T @ self.Z / n_rows[:, None]
        covariances = []
        for k, mean in enumerate(means):
            difference = self.Z - mean
            if self.covariance == "diag":
                covariances.append(share[:, k] @ difference**2 / n_rows[k])
            else:
                covariances.append((share[:, k] * difference.T) @ difference / n_rows[k])
        return n_rows, means, np.array(covariances)

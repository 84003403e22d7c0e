"""How far topics are from each other, and a map of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def word_distances(beta: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distances of the words of topics: square roots of divergences in bits.

    Parameters
    ----------
    beta : ndarray of shape (K, V)
        Probability of each word under each topic.

    Returns
    -------
    ndarray of shape (K, K)
        Symmetric, from 0 for the same words to 1 for topics without a common word.

    Examples
    --------
    >>> from flowkit.topics import word_distances
    >>> word_distances([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]]).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    beta = np.asarray(beta, dtype=np.float64)
    divergence = np.zeros((len(beta), len(beta)))
    for k, own in enumerate(beta):
        for j, other in enumerate(beta[:k]):
            middle = (own + other) / 2
            divergence[k, j] = (
                _relative_entropy(own, middle) + _relative_entropy(other, middle)
            ) / 2
    return np.sqrt(np.clip(divergence + divergence.T, 0, 1))


def _relative_entropy(p, q):
    held = p > 0
    return float((p[held] * np.log2(p[held] / q[held])).sum())


def gaussian_distances(
    means: Sequence[np.ndarray], covariances: Sequence[np.ndarray]
) -> np.ndarray:
    """Square roots of Bhattacharyya distances of topics whose word groups are Gaussian.

    Parameters
    ----------
    means : sequence of ndarray of shape (K, width)
        Mean of each topic, of each word group.
    covariances : sequence of ndarray of shape (K, width, width)
        Its covariance.

    Returns
    -------
    ndarray of shape (K, K)
        Symmetric; of equal covariances, distances in standard deviations times ``sqrt(1/8)``.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.topics import gaussian_distances
    >>> gaussian_distances([np.array([[0.0], [8.0]])], [np.ones((2, 1, 1))]).round(3).tolist()
    [[0.0, 2.828], [2.828, 0.0]]
    """
    k = len(means[0])
    total = np.zeros((k, k))
    for mean, covariance in zip(means, covariances, strict=True):
        log_det = np.linalg.slogdet(covariance)[1]
        middle = (covariance[:, None] + covariance) / 2
        apart = (mean[:, None] - mean)[..., None]
        square = (apart * np.linalg.solve(middle, apart)).sum((2, 3))
        shapes = np.linalg.slogdet(middle)[1] - (log_det[:, None] + log_det) / 2
        total += square / 8 + shapes / 2
    total = np.maximum((total + total.T) / 2, 0)
    np.fill_diagonal(total, 0)
    return np.sqrt(total)


def classical_scaling(distances: np.ndarray, n_dimensions: int = 2) -> np.ndarray:
    """Points whose distances are close to given ones: classical multidimensional scaling.

    Parameters
    ----------
    distances : ndarray of shape (K, K)
        Symmetric.
    n_dimensions : int, default=2
        Dimensions of the points.

    Returns
    -------
    ndarray of shape (K, n_dimensions)
        Centred, the widest direction first; zeros where distances span fewer dimensions.

    References
    ----------
    Torgerson, "Multidimensional scaling: I. Theory and method", Psychometrika 17 (1952) 401-419.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit.topics import classical_scaling
    >>> np.abs(classical_scaling(np.array([[0.0, 2.0], [2.0, 0.0]]))).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    squares = np.asarray(distances, dtype=np.float64) ** 2
    centred = squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    order = np.argsort(-values)[:n_dimensions]
    # Rounding leaves small values where there are no more dimensions.
    kept = np.where(values[order] > 1e-12 * max(values.max(), 1e-300), values[order], 0)
    points = vectors[:, order] * np.sqrt(kept)
    # Signs are arbitrary: the farthest point of each direction is on its positive side.
    farthest = np.abs(points).argmax(0)
    points *= np.where(points[farthest, np.arange(points.shape[1])] < 0, -1, 1)
    missing = n_dimensions - points.shape[1]
    return np.pad(points, ((0, 0), (0, missing))) + 0.0

"""K-means whose result does not depend on the number of threads."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.cluster import kmeans_plusplus
from sklearn.metrics import pairwise_distances_argmin

_MAX_ITERATIONS = 50


def k_means(
    rows: np.ndarray, n_clusters: int, rng: np.random.RandomState, n_starts: int = 1
) -> np.ndarray:
    """Centres of at most `n_clusters` clusters.

    Scikit-learn's own k-means adds up rows on several threads, so its last bits differ from run
    to run.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float64
        Rows, finite.
    n_clusters : int
        Number of clusters; fewer come back where there are fewer distinct rows.
    rng : RandomState
        Source of randomness.
    n_starts : int, default=1
        Number of random initialisations; the one with the narrowest clusters is kept.

    Returns
    -------
    ndarray of shape (<= n_clusters, d)
        The centres.
    """
    distinct = np.unique(rows, axis=0)
    if len(distinct) <= n_clusters:
        return distinct
    starts = (_lloyd(rows, n_clusters, rng) for _ in range(n_starts))
    return min(starts, key=lambda start: start[1])[0]


def _lloyd(
    rows: np.ndarray, n_clusters: int, rng: np.random.RandomState
) -> tuple[np.ndarray, float]:
    centres, _ = kmeans_plusplus(rows, n_clusters, random_state=rng)
    label = pairwise_distances_argmin(rows, centres)
    for _ in range(_MAX_ITERATIONS):
        centres = _means(rows, label, centres)
        last, label = label, pairwise_distances_argmin(rows, centres)
        if np.array_equal(last, label):
            break
    return centres, float(((rows - centres[label]) ** 2).sum())


def _means(rows: np.ndarray, label: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Mean of each cluster; a cluster without rows stays where it is."""
    n = len(rows)
    members = sparse.csr_matrix((np.ones(n), label, np.arange(n + 1)), (n, len(centres))).T
    size = np.bincount(label, minlength=len(centres))[:, None]
    return np.where(size > 0, (members @ rows) / np.maximum(size, 1), centres)

"""The score of a density: the mean of its log densities."""

from __future__ import annotations

import numpy as np
from sklearn.base import DensityMixin

from ..validation import row_weights


class MeanScoreMixin(DensityMixin):
    """A density whose score is the mean of its `score_samples`."""

    def score(self, X, y=None, sample_weight=None):
        """Mean log density of the rows, in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the mean.

        Returns
        -------
        score : float
            Mean of `score_samples`. (`sklearn.neighbors.KernelDensity` returns the sum.)
        """
        scores = self.score_samples(X)
        if sample_weight is None:
            return mean_of(scores)
        weight = row_weights(sample_weight, len(scores))
        kept = weight > 0
        return mean_of(scores[kept], weight[kept])


def mean_of(scores: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Weighted mean of log densities, ``-inf`` where their sum overflows.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Log densities.
    weight : ndarray of shape (n,) or None, default=None
        Weights; None for equal ones.
    """
    with np.errstate(over="ignore"):
        return float(np.average(scores, weights=weight))

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
            return float(scores.mean())
        weight = row_weights(sample_weight, len(scores))
        kept = weight > 0
        return float(np.average(scores[kept], weights=weight[kept]))

"""The score of a density: the mean of its log densities."""

from __future__ import annotations

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils.validation import _check_sample_weight

from ..exceptions import InvalidDataError


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
        weight = _check_sample_weight(
            sample_weight, scores, dtype=np.float64, ensure_non_negative=True
        )
        kept = weight > 0
        if not kept.any():
            raise InvalidDataError("sample_weight is zero for all rows, so there is no mean.")
        return float(np.average(scores[kept], weights=weight[kept]))

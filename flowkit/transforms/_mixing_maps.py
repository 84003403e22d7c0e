"""Jacobians of transformers that mix columns."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from ..exceptions import InvalidParameterError
from ._jacobians import TransformerMap, register


@register(PCA)
class PCAMap(TransformerMap):
    """A rotation, and a division by the standard deviations of the components if whitened."""

    condition = " that keeps all dimensions"

    def log_abs_det(self, transformer, X):
        n_kept, n_features = transformer.components_.shape
        if n_kept < n_features:
            raise InvalidParameterError(
                f"PCA keeps {n_kept} of {n_features} dimensions: what it drops has no density, so "
                "there is none of whole rows. Set n_components=None, with at least as many "
                "training rows as features."
            )
        if not transformer.whiten:
            return np.zeros(len(X))
        variance = transformer.explained_variance_
        # Below the second bound PCA divides by another number than it multiplies by on the way
        # back.
        eps = np.finfo(np.float64).eps
        n_empty = int((variance <= max(n_features * eps * variance.max(), eps**2)).sum())
        if n_empty:
            raise InvalidParameterError(
                f"PCA(whiten=True) divides by the standard deviation of {n_empty} component(s) "
                "that have none: the training rows span "
                f"{n_features - n_empty} of {n_features} dimensions. Drop columns that repeat "
                "others, give more rows, or set whiten=False."
            )
        return np.full(len(X), -0.5 * np.log(variance).sum())

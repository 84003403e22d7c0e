"""Bits per dimension, the measure of densities of images."""

from __future__ import annotations

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .._seeds import check_random_state
from ..exceptions import InvalidDataError
from ..nested import mean_of


class ImageRows:
    """Methods of a density that has a parameter ``image_shape``; goes before its base class."""

    _takes_images = True

    def bits_per_dim(self, X, random_state=0):
        """Mean bits per dimension of rows of whole numbers, continuous ones with uniform noise.

        An upper bound on the bits that a lossless code based on the density would need per value.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of whole numbers, such as 8-bit grey levels.
        random_state : int, RandomState instance, Generator or None, default=0
            Source of the noise of width one that makes the numbers continuous.

        Returns
        -------
        bits : float
            ``-mean(log2 density) / n_features``.

        Raises
        ------
        InvalidDataError
            If X holds other than whole numbers.
        """
        check_is_fitted(self)
        X = self._validate_rows(X, reset=False).astype(np.float64)
        if (np.round(X) != X).any():
            raise InvalidDataError(
                "bits per dimension are those of whole numbers, but X holds others: give the grey "
                "levels or counts as they were before scaling."
            )
        if self._columns.continuous:
            X = X + check_random_state(random_state).uniform(-0.5, 0.5, X.shape)
        return -mean_of(self._log_density(X)) / (X.shape[1] * math.log(2))

"""Holes in images, filled by a density that is a lattice."""

from __future__ import annotations

import math
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..exceptions import InvalidDataError, InvalidParameterError
from ..modules.inpainting import fill
from ..nets.swish import without_weight_norm


class Inpainting:
    """Method of a density on a lattice; goes before its base class."""

    def inpaint(
        self,
        X,
        mask,
        *,
        n_samples=None,
        n_steps=100,
        learning_rate=0.05,
        n_langevin_steps=200,
        random_state=0,
    ):
        """Fill what is missing in rows with what is likely, or with draws of what may be there.

        Only the latents in the inference cone of the hole are changed, and only its blocks are
        computed in each step: their number grows with the logarithm of the size of an image. Rows
        with the same hole are filled together, those with holes of their own one after the other.
        The search is for the largest density where the lattice works, behind the logit of grey
        levels and the splines of single columns, so `score_samples` need not be largest there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; what they hold where the mask is True is ignored and may be NaN.
        mask : array-like of bool of shape (n_features,), (height, width) or the shape of X
            True where values are missing, in all rows or in each; in all channels of a pixel,
            unless they are told apart.
        n_samples : int or None, default=None
            None gives the most likely values found. An int gives so many draws of each row from the
            density given what is known, each by a Langevin chain of its own.
        n_steps : int, default=100
            Number of steps of the search.
        learning_rate : float, default=0.05
            Length of its first steps, in units of the latents.
        n_langevin_steps : int, default=200
            Length of the chains, of which the first half adapts the length of the steps.
        random_state : int, RandomState instance, Generator or None, default=0
            Source of randomness of the draws.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features) or (n_draws, n_samples, n_features)
            Float64; what was known is untouched. Of uint8 images, grey levels as in `sample`.

        Raises
        ------
        ValueError
            If the mask does not fit X, or a number of steps or draws is less than one.
        InvalidParameterError
            If the density was fitted with lifting.
        """
        check_is_fitted(self)
        if not hasattr(self._lattice(), "cone"):
            raise InvalidParameterError(
                "inpaint needs the inference cones of blocks, but images were lifted: set "
                "layout='blocks' before fit."
            )
        for name, value in (
            ("n_steps", n_steps),
            ("n_langevin_steps", n_langevin_steps),
            ("n_samples", 1 if n_samples is None else n_samples),
        ):
            if not isinstance(value, Integral) or value < 1:
                raise InvalidDataError(f"{name} must be an int of at least 1, got {value!r}.")
        if not isinstance(learning_rate, Real) or not learning_rate > 0:
            raise InvalidDataError(f"learning_rate must be positive, got {learning_rate!r}.")
        mask = self._check_mask(mask, _num_samples(X))
        X = self._validate_rows(X, reset=False, missing=mask).astype(np.float64)
        evaluator = self._evaluator
        generator = evaluator.generator(random_state)
        centred = self._columns.standardise(np.where(mask, self.location_, X))
        # The middle of each column, whatever the middle of the grey levels is.
        start = np.where(mask, 0.0, evaluator.map(self._enter, centred))
        filled = fill(
            without_weight_norm(self._lattice()),
            self.module_.prior,
            start,
            mask,
            n_draws=n_samples,
            n_steps=int(n_steps),
            learning_rate=float(learning_rate),
            n_langevin_steps=int(n_langevin_steps),
            generator=generator,
        )
        left = [evaluator.map(self._leave, rows) for rows in filled]
        out = self._columns.to_domain(self._columns.unstandardise(np.stack(left)))
        out = np.where(mask, out, X)
        return out[0] if n_samples is None else out

    def _check_mask(self, mask, n):
        mask = np.asarray(mask)
        if mask.dtype != bool:
            raise InvalidDataError(
                f"mask must be of dtype bool, True where values are missing, got {mask.dtype}: use "
                "mask.astype(bool) if 1 stands for missing."
            )
        d, shape = self.n_features_in_, self._grid()
        n_channels = d // math.prod(shape)
        if mask.shape in (shape, (n, *shape)) and n_channels > 1:
            mask = mask[..., None].repeat(n_channels, -1)
        images = (*shape, n_channels)
        shapes = dict.fromkeys([(d,), shape, images, (n, d), (n, *shape), (n, *images)])
        if mask.shape not in shapes:
            raise InvalidDataError(
                f"mask must have one of the shapes {', '.join(map(str, shapes))}, got {mask.shape}."
            )
        return np.broadcast_to(mask.reshape(-1, d), (n, d))

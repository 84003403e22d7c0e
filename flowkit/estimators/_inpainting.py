"""Holes in images, filled by a density whose latents have inference cones."""

from __future__ import annotations

import math
from numbers import Real

import numpy as np
import torch
from sklearn.utils.validation import _num_samples, check_is_fitted

from ..bijections import Compose
from ..exceptions import InvalidDataError, InvalidParameterError
from ..modules import Flow
from ..modules.inpainting import fill
from ..nets.swish import without_weight_norm
from ..validation import check_choice, check_count, shown, typed_errors

_STATISTICS = ("mode", "mean")
# Steps of the search that no latent is far enough for.
_MAX_RATE = 1e3


class Inpainting:
    """Method of a density on a lattice or a lifting; goes before its base class."""

    def inpaint(
        self,
        X,
        mask,
        *,
        n_samples=None,
        statistic="mode",
        n_chains=8,
        n_steps=None,
        learning_rate=0.05,
        n_langevin_steps=None,
        random_state=0,
    ):
        """Fill what is missing in rows with what is likely, or with draws of what may be there.

        Only the latents in the inference cone of the hole are changed and mapped in each step: on
        blocks, their number grows with the logarithm of the size of an image, and with lifting,
        where pixels also know how well coarse ones around were predicted, with the square of the
        logarithm; there, the prior is computed of all latents. Lifted rows are filled together,
        whatever hole each has; on blocks, those with the same hole are. But for the mode on
        blocks, memory grows with the square of the number of values in a hole, of which there may
        be 8192.

        The mean has the least expected squared error. The mode is that of the density where the map
        works, so `score_samples` need not be largest there: on blocks, of values behind the logit
        of grey levels and the splines of single columns; with lifting, of the latents of the hole,
        in which a grey level that many pixels share is as wide as it is frequent.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; what they hold where the mask is True is ignored and may be NaN.
        mask : array-like of bool of shape (n_features,), (height, width) or the shape of X
            True where values are missing, in all rows or in each; in all channels of a pixel,
            unless they are told apart.
        n_samples : int or None, default=None
            An int gives so many draws of each row from the density given what is known, each by a
            Langevin chain of its own. None gives `statistic`.
        statistic : {'mode', 'mean'}, default='mode'
            What is given without `n_samples`: the most likely values found, or the mean of what
            `n_chains` chains see in the second half of their steps.
        n_chains : int, default=8
            Number of chains of each row that the mean is taken of.
        n_steps : int or None, default=None
            Number of steps of the search for the most likely values, at which chains begin. None
            takes 100 on blocks, and 6 with lifting, whose steps are those of Gauss and Newton.
        learning_rate : float, default=0.05
            Length of the first steps on blocks, in units of the latents.
        n_langevin_steps : int or None, default=None
            Length of the chains, of which the first half adapts the length of the steps. None takes
            200 on blocks and 40 with lifting.
        random_state : int, RandomState instance, Generator or None, default=0
            Source of randomness of the draws.

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features) or (n_draws, n_samples, n_features)
            Float64; what was known is untouched. Of uint8 images, grey levels as in `sample`.

        Raises
        ------
        ValueError
            If the mask does not fit X or has too large a hole, a number of steps, draws or chains
            is less than one, or the mean of draws and draws are asked for at once.
        InvalidParameterError
            If the density has no inference cones.
        """
        check_is_fitted(self)
        place = self._place_of_cones()
        numbers = {"n_samples": n_samples, "n_steps": n_steps, "n_langevin_steps": n_langevin_steps}
        given = {name: value for name, value in numbers.items() if value is not None}
        for name, value in {**given, "n_chains": n_chains}.items():
            check_count(value, name)
        if not isinstance(learning_rate, Real) or not 0 < learning_rate <= _MAX_RATE:
            raise InvalidDataError(
                f"learning_rate must be positive and at most {_MAX_RATE:g}, got "
                f"{shown(learning_rate)}."
            )
        check_choice(statistic, "statistic", _STATISTICS)
        if n_samples is not None:
            if statistic != "mode":
                raise InvalidDataError(
                    f"n_samples={n_samples} asks for draws and statistic={statistic!r} for their "
                    "mean: give n_chains instead of n_samples."
                )
            statistic, n_chains = "draws", n_samples
        with typed_errors():
            n = _num_samples(X)
        mask = self._check_mask(mask, n)
        X = self._validate_rows(X, reset=False, missing=mask).astype(np.float64)
        evaluator = self._evaluator
        steps = list(self.module_.bijection.bijections)
        entrance = Compose(steps[:place]) if place else None
        bijection = without_weight_norm(steps[place])
        prior = self.module_.prior
        if steps[place + 1 :]:
            prior = without_weight_norm(Flow(Compose(steps[place + 1 :]), prior))

        def enter(x):
            return x if entrance is None else entrance(x)[0]

        @torch.no_grad()
        def leave(y):
            return y if entrance is None else entrance.inverse(y)[0]

        centred = self._columns.standardise(np.where(mask, self.location_, X))
        filled = fill(
            bijection,
            prior,
            # The middle of each column, whatever the middle of the grey levels is.
            np.where(mask, 0.0, evaluator.map(enter, centred)),
            mask,
            leave,
            statistic=statistic,
            n_chains=int(n_chains),
            n_steps=n_steps,
            learning_rate=float(learning_rate),
            n_langevin_steps=n_langevin_steps,
            generator=evaluator.generator(random_state),
        )
        out = self._columns.to_domain(self._unstandardise(filled, "draws", "leave those out."))
        out = np.where(mask, out, X)
        return out[0] if n_samples is None else out

    def _place_of_cones(self):
        """Place of the map that has inference cones among those of the module."""
        steps = self.module_.bijection.bijections
        for place, step in enumerate(steps):
            if hasattr(step, "cone"):
                return place
        raise InvalidParameterError(
            f"inpaint needs a map that has inference cones, but {type(self).__name__} was fitted "
            "without one: set fractal='lifting' and image_shape before fit, or take RGFlowDensity."
        )

    def _check_mask(self, mask, n):
        with typed_errors("mask"):
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

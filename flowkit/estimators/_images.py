"""Rows that are images: their shapes, and grey levels of 8 bits."""

from __future__ import annotations

import math

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .._image_shape import check_image_shape
from .._seeds import check_random_state
from ..bijections import ActNorm, Compose, Logit
from ..exceptions import InvalidDataError, InvalidParameterError

# The middle and width of 256 grey levels, of which logit sees 0.05 to 0.95.
_GREY_LOCATION, _GREY_SCALE = 127.5, 256 / 0.9


class ImageRows:
    """Part of a density that has a parameter ``image_shape``: goes before `BaseDensity`."""

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
        if self._continuous():
            X = X + check_random_state(random_state).uniform(-0.5, 0.5, X.shape)
        return -float(self._log_density(X).mean()) / (X.shape[1] * math.log(2))

    def _continuous(self) -> bool:
        """Whether whole numbers need noise to have the density of their cell."""
        return True

    def _validate_rows(self, X, reset, **options):
        if reset:
            self._grey = False
        if self.image_shape is None and len(shape := getattr(X, "shape", ())) > 2:
            raise InvalidDataError(
                f"X has shape {tuple(shape)}, but image_shape is None: set "
                f"image_shape={tuple(shape[1:])}, or give rows of shape (n, n_features)."
            )
        if self.image_shape is None or hasattr(X, "toarray"):
            return super()._validate_rows(X, reset, **options)
        shape = check_image_shape(self.image_shape)
        values = np.asarray(X)
        if values.ndim > 2:
            if (*values.shape[1:], 1)[:3] != shape or values.ndim > 4:
                raise InvalidDataError(
                    f"expected images of shape (n, {', '.join(map(str, self.image_shape))}), got "
                    f"{values.shape}."
                )
            X = values.reshape(len(values), -1)
        X = super()._validate_rows(X, reset, **options)
        if X.shape[1] != math.prod(shape):
            raise InvalidDataError(
                f"expected rows of {math.prod(shape)} values, as image_shape="
                f"{tuple(self.image_shape)} says, got {X.shape[1]}."
            )
        if reset:
            self._grey = values.dtype == np.uint8
        return X

    def _settle_columns(self, X, weight):
        if not self._grey:
            super()._settle_columns(X, weight)
            return
        d = X.shape[1]
        self.location_ = np.full(d, _GREY_LOCATION)
        self.scale_ = np.full(d, _GREY_SCALE)
        self.dequantization_ = np.ones(d) if self.dequantize == "auto" else np.zeros(d)
        self.heavy_values_, self._gaps = [], []

    def _to_domain(self, X):
        return whole(X, 0, 255) if self._grey else super()._to_domain(X)

    def _may_lie_outside(self):
        # Splines map all numbers, and the logit all grey levels: only later rows may be others.
        return self._grey and self._continues()

    def _refuse_noise(self):
        """Refuse normal noise on grey levels."""
        if self._grey and self.noise:
            raise InvalidParameterError(
                f"noise={self.noise!r} would push grey levels out of the range of the logit: set "
                "noise=None, uint8 images get uniform noise of their spacing anyway, or give the "
                "images as floats."
            )


def whole(X: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """The whole numbers within bounds whose cells values lie in."""
    # Adding zero turns -0 into 0.
    return np.rint(X).clip(lowest, highest) + 0.0


def grey_levels(d: int) -> Compose:
    """Logit of standardised grey levels, and a scale and shift of it."""
    return Compose([Logit(d, shift=-0.5), ActNorm(d)])


@torch.no_grad()
def started_grey_levels(Z: np.ndarray) -> tuple[Compose, np.ndarray]:
    """`grey_levels` started from rows, and these rows behind it."""
    pixels = grey_levels(Z.shape[1])
    logit, scale = pixels.bijections
    logits, _ = logit(torch.from_numpy(Z))
    scale.start(logits)
    return pixels, scale(logits)[0].numpy()

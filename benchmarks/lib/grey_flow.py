"""Convolutional RealNVP of grey levels without a matrix of all pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from flowkit import FlowDensity
from flowkit.bijections import ActNorm, Bijection, ElementwiseSpline, FractalCoupling, Logit
from flowkit.nets import StandardNormal

from .data import GREY, bits, flat
from .image_flows import GREY_SCALE, common

GREY_LOCATION, LOG_SCALE = GREY / 2, math.log(GREY_SCALE)
# Splines of single pixels: number of bins, and bound in standard deviations.
MARGIN_BINS, MARGIN_BOUND = 16, 10.0


class FreshNoise(Bijection):
    """Identity of scaled grey levels, whose uniform noise of width one is drawn anew in training.

    So every pixel gets the same noise, which estimators of tables would choose by column.
    """

    def __init__(self, n_features: int):
        super().__init__(n_features)
        self.noise = StandardNormal()

    def _forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.training:
            levels = torch.round(x * GREY_SCALE + GREY_LOCATION).clamp(0, GREY)
            uniform = torch.special.ndtr(self.noise(x))
            x = (levels + uniform - 0.5 - GREY_LOCATION) / GREY_SCALE
        return x, x.new_zeros(len(x))

    def _inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        return z, z.new_zeros(len(z))


class GreyFlow:
    """Affine couplings of images behind the logit of their grey levels.

    FractalFlowDensity with ``prior='normal'`` always brings a matrix of all pixels, which would be
    thirty times the couplings. Here the same couplings follow the same logit, and splines of single
    pixels that begin by making these normal.

    Parameters
    ----------
    n_blocks : int
        Number of couplings.
    hidden_units : int
        Channels of their networks.
    """

    def __init__(self, n_blocks: int, hidden_units: int):
        self.n_blocks, self.hidden_units = n_blocks, hidden_units

    def fit(self, images: np.ndarray, seed: int, budget: float) -> GreyFlow:
        """Fit to images of shape (n, height, width) or with channels last."""
        noise = np.random.default_rng(seed).uniform(-0.5, 0.5, flat(images).shape)
        Z = _scaled(flat(images) + noise)
        given = {**common(budget, seed), "standardize": False, "dequantize": None}
        steps = self._steps(Z, images.shape[1:], seed)
        self.density = FlowDensity(steps, prior="normal", **given).fit(Z)
        # In the units of the grey levels, as everything else.
        history = dict(self.density.history_)
        history["valid_log_density"] = history["valid_log_density"] - Z.shape[1] * LOG_SCALE
        self.history_ = history
        return self

    @torch.no_grad()
    def _steps(self, Z: np.ndarray, shape: tuple[int, ...], seed: int) -> list[Bijection]:
        n, d = Z.shape
        generator = torch.Generator().manual_seed(seed)
        logit, scale = Logit(d, shift=-0.5), ActNorm(d)
        z, _ = logit(torch.from_numpy(Z))
        scale.start(z)
        couplings = [
            FractalCoupling(
                d,
                image_shape=shape,
                n_levels=0,
                coupling="affine",
                conditioner="conv",
                tied=True,
                hidden_units=self.hidden_units,
                dropout=min(0.3, 10 / math.sqrt(n)),
                tail_bound=4.0,
                reverse=bool(i % 2),
                generator=generator,
            )
            for i in range(self.n_blocks)
        ]
        return [FreshNoise(d), logit, scale, _margins(scale(z)[0].numpy()), *couplings]

    def bits_per_dim(self, images: np.ndarray) -> float:
        noise = np.random.RandomState(0).uniform(-0.5, 0.5, flat(images).shape)
        Z = _scaled(flat(images) + noise)
        return bits(self.density.score(Z) - Z.shape[1] * LOG_SCALE, Z.shape[1])

    def __getattr__(self, name: str) -> Any:
        # What a fit tells of itself is told by the density.
        if name.startswith("__") or name == "density":
            raise AttributeError(name)
        return getattr(self.density, name)


def _scaled(X: np.ndarray) -> np.ndarray:
    return (X - GREY_LOCATION) / GREY_SCALE


def _margins(z: np.ndarray) -> ElementwiseSpline:
    """Splines that make single columns normal, by their quantiles."""
    n, d = z.shape
    # Ranks further out rest on less than about ten rows.
    reach = norm.ppf(1 - min(0.25, 10 / n))
    knots = np.linspace(-reach, reach, MARGIN_BINS - 1)
    inside = MARGIN_BOUND * (1 - 1e-3)
    quantiles = np.quantile(z, norm.cdf(knots), axis=0).clip(-inside, inside)
    knots = np.repeat(knots[:, None], d, axis=1)
    margins = ElementwiseSpline(d, n_bins=MARGIN_BINS, tail_bound=MARGIN_BOUND)
    margins.start(torch.from_numpy(quantiles), torch.from_numpy(knots))
    return margins

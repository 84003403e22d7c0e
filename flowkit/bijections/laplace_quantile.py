"""From standard normal columns to Laplace ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ..exceptions import InvalidParameterError
from ._base import Elementwise

# Sizes, in standard deviations and in scales, below which there are digits in what is near one.
_NEAR = 1.0
_LOG_2, _HALF_LOG_2_OVER_PI = math.log(2.0), 0.5 * math.log(2 / math.pi)
# Sizes of Laplace columns beyond which probabilities are too small to be held.
_FAR = 80.0
_N_NEWTON = 4


class LaplaceQuantile(Elementwise):
    """Laplace quantiles of the distribution function of the standard normal, column by column.

    What is standard normal has independent Laplace columns behind it, so that a flow onto normal
    columns is as likely onto these. Exact as far out as numbers reach. Nothing is trained.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : float, default=1.0
        Mean absolute deviation of the Laplace columns; ``1 / sqrt(2)`` gives unit variance.
    columns : sequence of int or None, default=None
        Columns that are mapped; the others stay as they are. None maps all.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import LaplaceQuantile
    >>> LaplaceQuantile(3)(torch.tensor([[-40.0, 0.0, 1.0]]))[0].round(decimals=2)
    tensor([[-803.9200,    0.0000,    1.1500]])
    """

    def __init__(self, n_features: int, scale: float = 1.0, columns: Sequence[int] | None = None):
        super().__init__(n_features)
        if not 0 < scale < math.inf:
            raise InvalidParameterError(f"scale must be a positive finite number, got {scale}.")
        self.scale = float(scale)
        mapped = torch.ones(n_features, dtype=torch.bool)
        if columns is not None:
            if not set(columns) <= set(range(n_features)):
                raise InvalidParameterError(
                    f"columns must be some of 0 to {n_features - 1}, got {list(columns)}."
                )
            mapped[:] = False
            mapped[list(columns)] = True
        self.register_buffer("mapped", mapped, persistent=False)

    def _forward_by_column(self, x, context):
        below = x < 0
        size = torch.where(below, -x, x)
        z = self.scale * _laplace_size(size)
        log_slope = _log_slope(size) + math.log(self.scale)
        z, log_slope = torch.where(below, -z, z), torch.where(self.mapped, log_slope, 0.0)
        return torch.where(self.mapped, z, x), log_slope

    def _inverse_by_column(self, z, context):
        below = z < 0
        target = torch.where(below, -z, z) / self.scale
        with torch.no_grad():
            found = _normal_size(target.detach())
        # A step of length zero has the gradient of an inverse.
        step = (target - target.detach()) * (-_log_slope(found)).exp()
        size = found + torch.where(torch.isfinite(step), step, 0.0)
        log_slope = torch.where(self.mapped, -_log_slope(size) - math.log(self.scale), 0.0)
        return torch.where(self.mapped, torch.where(below, -size, size), z), log_slope


def _laplace_size(size: Tensor) -> Tensor:
    """Size that a standard Laplace column exceeds as often as a normal one does this."""
    share = size * math.sqrt(0.5)
    near = -torch.log1p(-torch.erf(share.clamp_max(_NEAR)))
    far = share.square() - torch.special.erfcx(share).log()
    return torch.where(share < _NEAR, near, far)


def _log_slope(size: Tensor) -> Tensor:
    """Log slope of `_laplace_size`: the log hazard of what is half normal."""
    return _HALF_LOG_2_OVER_PI - torch.special.erfcx(size * math.sqrt(0.5)).log()


def _normal_size(size: Tensor) -> Tensor:
    """What `_laplace_size` maps to this."""
    near = math.sqrt(2.0) * torch.erfinv(-torch.expm1(-size.clamp_max(_NEAR)))
    found = -torch.special.ndtri(0.5 * torch.exp(-size.clamp(_NEAR, _FAR)))
    # Of a tail the logarithm is that of a normal density, about.
    far = (2 * size - (math.pi * size.clamp_min(_NEAR)).log()).clamp_min(0).sqrt()
    found = torch.where(size > _FAR, far, found)
    for _ in range(_N_NEWTON):
        found = found - (_laplace_size(found) - size) * (-_log_slope(found)).exp()
    return torch.where(size < _NEAR, near, found)

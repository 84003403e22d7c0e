"""Priors with independent columns: Normal, Laplace, StudentT."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from ..exceptions import InvalidParameterError
from .location_scale import LocationScale

# Nodes of the integral of a power of a cosine.
_N_QUADRATURE = 64


class Normal(LocationScale):
    """Independent normal columns.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : float, default=1.0
        Initial standard deviation.
    learnable : bool, default=False
        Whether location and scale are trained.
    dtype : torch.dtype, optional
        Precision of the parameters; torch's default one by default.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import Normal
    >>> Normal(2).log_prob(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def _gaussians(self):
        factors = torch.diag(1 / self._scales())
        return torch.zeros_like(self.location[:1]), self.location[None], factors[None]

    def _standard_log_prob(self, u):
        return -0.5 * u * u - 0.5 * math.log(2 * math.pi)

    def _standard_cdf(self, u):
        return torch.special.ndtr(u)

    def _standard_sample(self, like, generator):
        return like.normal_(generator=generator)


class Laplace(LocationScale):
    """Independent Laplace columns: a sparse prior.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : float, default=1.0
        Initial mean absolute deviation; ``1 / sqrt(2)`` gives unit variance.
    learnable : bool, default=False
        Whether location and scale are trained.
    dtype : torch.dtype, optional
        Precision of the parameters; torch's default one by default.
    """

    def _standard_log_prob(self, u):
        return -u.abs() - math.log(2.0)

    def _standard_cdf(self, u):
        tail = 0.5 * torch.exp(-u.abs())
        return torch.where(u < 0, tail, 1 - tail)

    def _standard_sample(self, like, generator):
        magnitude = like.exponential_(generator=generator)
        sign = torch.empty_like(like).uniform_(-1, 1, generator=generator).sign()
        return magnitude * sign


class StudentT(LocationScale):
    """Independent Student-t columns with learnable degrees of freedom: heavy tails.

    Parameters
    ----------
    n_features : int
        Number of columns.
    degrees_of_freedom : float, default=5.0
        Initial degrees of freedom of every column, between 1 and 100.
    scale : float, default=1.0
        Initial scale.
    learnable : bool, default=False
        Whether location and scale are trained; the degrees of freedom always are.
    dtype : torch.dtype, optional
        Precision of the parameters; torch's default one by default.
    """

    _RANGE = (1.0, 100.0)

    def __init__(
        self,
        n_features: int,
        degrees_of_freedom: float = 5.0,
        scale: float = 1.0,
        learnable: bool = False,
        *,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(n_features, scale, learnable, dtype=dtype)
        low, high = self._RANGE
        if not low < degrees_of_freedom < high:
            raise InvalidParameterError(
                f"degrees_of_freedom must lie between {low:.0f} and {high:.0f}, "
                f"got {degrees_of_freedom}."
            )
        share = math.log(degrees_of_freedom / low) / math.log(high / low)
        raw = torch.full((n_features,), math.log(share / (1 - share)), dtype=dtype)
        self.raw_degrees = nn.Parameter(raw)

    @property
    def degrees_of_freedom(self) -> torch.Tensor:
        """Degrees of freedom of each column, shape (n_features,)."""
        low, high = self._RANGE
        return low * torch.exp(math.log(high / low) * torch.sigmoid(self.raw_degrees))

    def _standard_log_prob(self, u):
        nu = self.degrees_of_freedom
        constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * torch.log(nu * math.pi)
        return constant - (nu + 1) / 2 * torch.log1p(u * u / nu)

    def _standard_cdf(self, u):
        nu = self.degrees_of_freedom
        # With u = sqrt(nu) tan(angle) the density is a power of the cosine, which is smooth.
        angle = torch.atan2(u, nu.sqrt())[..., None]
        nodes, weights = np.polynomial.legendre.leggauss(_N_QUADRATURE)
        nodes, weights = (torch.from_numpy(array).to(u) for array in (nodes, weights))
        power = torch.cos(angle * (1 + nodes) / 2) ** (nu[:, None] - 1)
        area = (power @ weights) * angle[..., 0] / 2
        constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * math.log(math.pi)
        return 0.5 + constant.exp() * area

    def _standard_sample(self, like, generator):
        # Bailey's polar method (Math. Comp. 62, 1994): exact, and needs uniforms alone.
        nu = self.degrees_of_freedom
        # 1 - U lies in (0, 1], so that its powers stay finite.
        radius = 1 - torch.empty_like(like).uniform_(generator=generator)
        angle = like.uniform_(0, 2 * math.pi, generator=generator)
        return torch.sqrt(nu * torch.expm1(-2 / nu * radius.log())) * torch.cos(angle)

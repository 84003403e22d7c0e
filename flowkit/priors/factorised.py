"""Priors with independent columns: Normal, Laplace, StudentT."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..exceptions import InvalidParameterError
from ._base import LocationScale


class Normal(LocationScale):
    """Independent normal columns.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : float, default=1.0
        Standard deviation at the start.
    learnable : bool, default=False
        Whether location and scale are trained.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import Normal
    >>> Normal(2).log_prob(torch.zeros(1, 2))
    tensor([-1.8379])
    """

    def _standard_log_prob(self, u):
        return -0.5 * u * u - 0.5 * math.log(2 * math.pi)

    def _standard_sample(self, like, generator):
        return like.normal_(generator=generator)


class Laplace(LocationScale):
    """Independent Laplace columns: a sparse prior.

    Parameters
    ----------
    n_features : int
        Number of columns.
    scale : float, default=1.0
        Mean absolute deviation at the start; ``1 / sqrt(2)`` gives unit variance.
    learnable : bool, default=False
        Whether location and scale are trained.
    """

    def _standard_log_prob(self, u):
        return -u.abs() - math.log(2.0)

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
        Degrees of freedom of every column at the start, between 1 and 100.
    scale : float, default=1.0
        Scale at the start.
    learnable : bool, default=False
        Whether location and scale are trained; the degrees of freedom always are.
    """

    _RANGE = (1.0, 100.0)

    def __init__(
        self,
        n_features: int,
        degrees_of_freedom: float = 5.0,
        scale: float = 1.0,
        learnable: bool = False,
    ):
        super().__init__(n_features, scale, learnable)
        low, high = self._RANGE
        if not low < degrees_of_freedom < high:
            raise InvalidParameterError(
                f"degrees_of_freedom must lie between {low:.0f} and {high:.0f}, "
                f"got {degrees_of_freedom}."
            )
        share = math.log(degrees_of_freedom / low) / math.log(high / low)
        self.raw_degrees = nn.Parameter(torch.full((n_features,), math.log(share / (1 - share))))

    @property
    def degrees_of_freedom(self) -> torch.Tensor:
        """Degrees of freedom of each column, shape (n_features,)."""
        low, high = self._RANGE
        return low * torch.exp(math.log(high / low) * torch.sigmoid(self.raw_degrees))

    def _standard_log_prob(self, u):
        nu = self.degrees_of_freedom
        constant = torch.lgamma((nu + 1) / 2) - torch.lgamma(nu / 2) - 0.5 * torch.log(nu * math.pi)
        return constant - (nu + 1) / 2 * torch.log1p(u * u / nu)

    def _standard_sample(self, like, generator):
        # Bailey's polar method (Math. Comp. 62, 1994): exact, and needs uniforms alone.
        nu = self.degrees_of_freedom
        # 1 - U lies in (0, 1], so that its powers stay finite.
        radius = 1 - torch.empty_like(like).uniform_(generator=generator)
        angle = like.uniform_(0, 2 * math.pi, generator=generator)
        return torch.sqrt(nu * torch.expm1(-2 / nu * radius.log())) * torch.cos(angle)

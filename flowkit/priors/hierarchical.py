"""Normal blocks, each centred on a linear map of the one before."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from ._base import Prior
from ._gaussians import known_log_prob
from ._given_columns import given_columns
from .column_law import NormalMixtureLaw

# Scales within exp(+-7), so that none can vanish or explode.
_MAX_LOG_SCALE = 7.0


class HierarchicalNormal(Prior):
    """Orders of a latent: the first is standard normal, each other normal given the one before.

    ``p(z_i | z_(i-1)) = N(B_i z_(i-1), s_i^2 I)``, initially standard normal.

    Parameters
    ----------
    n_components : int
        Number of columns of an order.
    degree : int
        Number of orders; rows have ``degree * n_components`` columns, order by order.
    learnable : bool, default=True
        Whether the maps B_i and the scales s_i of the higher orders are trained.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import HierarchicalNormal
    >>> prior = HierarchicalNormal(2, degree=3)
    >>> prior.log_prob_by_order(torch.zeros(1, 6)).shape
    torch.Size([1, 3])
    """

    def __init__(self, n_components: int, degree: int, learnable: bool = True):
        for name, value in (("n_components", n_components), ("degree", degree)):
            if value < 1:
                raise InvalidParameterError(f"{name} must be at least 1, got {value}.")
        super().__init__(n_components * degree)
        self.n_components, self.degree = n_components, degree
        maps = torch.zeros(degree - 1, n_components, n_components)
        log_scale = torch.zeros(degree - 1)
        if learnable and degree > 1:
            self.maps, self.log_scale = nn.Parameter(maps), nn.Parameter(log_scale)
        else:
            self.register_buffer("maps", maps)
            self.register_buffer("log_scale", log_scale)

    def log_scales(self) -> Tensor:
        """Logarithm of the scale of each column, shape (n_features,)."""
        bounded = self.log_scale.clamp(-_MAX_LOG_SCALE, _MAX_LOG_SCALE)
        orders = torch.cat((bounded.new_zeros(1), bounded))
        return orders.repeat_interleave(self.n_components)

    def whitening(self) -> Tensor:
        """The matrix that makes rows standard normal, shape (n_features, n_features)."""
        k, matrix = self.n_components, torch.eye(self.n_features).to(self.maps)
        # Built out of place, so that the maps get their gradient.
        below = [
            torch.nn.functional.pad(-m, (i * k, self.n_features - (i + 1) * k))
            for i, m in enumerate(self.maps)
        ]
        matrix = matrix + torch.cat([torch.zeros_like(matrix[:k]), *below])
        return matrix / self.log_scales().exp()[:, None]

    def from_noise(self, noise: Tensor) -> Tensor:
        """Rows that standard normal noise stands for, shape (n, n_features)."""
        return torch.linalg.solve_triangular(self.whitening(), noise.t(), upper=False).t()

    def log_prob_by_order(self, z: Tensor) -> Tensor:
        """Log density of each order given the one before.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, degree)
            Nats; rows sum to `log_prob`.
        """
        by_column = -0.5 * ((z @ self.whitening().t()).square() + math.log(2 * math.pi))
        return (by_column - self.log_scales()).unflatten(1, (self.degree, -1)).sum(2)

    def _log_prob(self, z: Tensor) -> Tensor:
        return self.log_prob_by_order(z).sum(1)

    def _gaussians(self):
        # With white = W z, the precision of z is W^T W.
        factor = self.whitening().t()[None]
        return torch.zeros_like(factor[:, 0, 0]), torch.zeros_like(factor[:, 0]), factor

    def _log_prob_marginal(self, z: Tensor, known: Tensor) -> Tensor:
        return known_log_prob(z, known, *self._gaussians()[1:])[:, 0]

    def _law_given(self, z, known, column):
        _, means, factor = self._gaussians()
        mean, deviation = given_columns(z, known, column, means, factor)
        return NormalMixtureLaw(torch.zeros_like(mean), mean, deviation)

    def _sample(self, n, generator, temperature):
        noise = self.maps.new_empty(n, self.n_features).normal_(generator=generator)
        return temperature * self.from_noise(noise)

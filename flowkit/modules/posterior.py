"""What an encoder says of the latents of rows: normal columns, mixed, and sent through a flow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..bijections import Bijection


@dataclass(frozen=True)
class Posterior:
    """Density of the latent of each of n rows: ``z = flow(mean + mixing (exp(s) * noise))``.

    Parameters
    ----------
    mean, log_deviation : Tensor of shape (n, n_latent)
        Mean, and s, the logarithm of the standard deviation, of normal columns before they are
        mixed.
    context : Tensor of shape (n, n_context)
        What the flow is conditioned on.
    mixing : Tensor of shape (n_latent, n_latent)
        Unit lower triangular matrix, the same for all rows.
    flow : Bijection, optional
        Maps the mixed columns to the latent.
    """

    mean: Tensor
    log_deviation: Tensor
    context: Tensor
    mixing: Tensor
    flow: Bijection | None = None

    def repeated(self, n: int) -> Posterior:
        """The same of each row `n` times."""
        names = ("mean", "log_deviation", "context")
        return replace(self, **{k: getattr(self, k).repeat_interleave(n, 0) for k in names})

    def draw(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The latent of each row that standard normal noise leads to.

        Parameters
        ----------
        noise : Tensor of shape (n, n_latent)
            The noise.

        Returns
        -------
        z : Tensor of shape (n, n_latent)
            The latents.
        log_det : Tensor of shape (n,)
            Log-determinant of the flow there, in nats.
        """
        z = self.mean + (self.log_deviation.exp() * noise) @ self.mixing.t()
        return (z, z.new_zeros(len(z))) if self.flow is None else self.flow(z, self.context)

    def noise_of(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The inverse of `draw`.

        Parameters
        ----------
        z : Tensor of shape (n, n_latent)
            Latents.

        Returns
        -------
        noise : Tensor of shape (n, n_latent)
            The noise that leads to them.
        log_det : Tensor of shape (n,)
            Log-determinant of the flow, from noise to latent, in nats.
        """
        inner, log_det = z, z.new_zeros(len(z))
        if self.flow is not None:
            inner, log_det = self.flow.inverse(z, self.context)
        columns = (inner - self.mean).t()
        mixed = torch.linalg.solve_triangular(self.mixing, columns, upper=False, unitriangular=True)
        return mixed.t() * torch.exp(-self.log_deviation), -log_det

    def log_volume(self, log_det: Tensor) -> Tensor:
        """Log-determinant (n,) of the whole map from noise to latent, given that of the flow."""
        return self.log_deviation.sum(1) + log_det


def standard_normal(noise: Tensor) -> Tensor:
    """Log density of each value under a standard normal, in nats."""
    return -0.5 * (noise.square() + math.log(2 * math.pi))

"""Langevin chains that draw what may be in holes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from .holes import Holes

# Fraction of the steps in which their length adapts, and the acceptance rate it aims at.
_ADAPTATION_SHARE = 0.5
_WANTED_ACCEPTANCE = 0.574


def langevin(
    holes: Holes, start: Tensor, factor: Tensor, n_steps: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Walk through what may be in holes, as often here or there as the density given the rest says.

    Steps are proposed along the gradient, preconditioned by the curvature at likely values, and
    accepted by the Metropolis-Hastings rule, so that with more steps the draws come as close to
    the density as one likes.

    Parameters
    ----------
    holes : Holes
        The density.
    start : Tensor of shape (n, k, size)
        Coordinates at which k chains of each row begin.
    factor : Tensor of shape (n, size, size)
        Cholesky factors of precisions.
    n_steps : int
        Number of steps of each chain.
    generator : torch.Generator
        Source of randomness.

    Yields
    ------
    values : Tensor of shape (n, k, size)
        Values in the holes behind each step, once the length of steps has been found in the first
        half of them.
    """

    def scored(coordinates):
        coordinates = coordinates.detach().requires_grad_()
        density, values = holes.evaluate(coordinates)
        (gradient,) = torch.autograd.grad(density.sum(), coordinates)
        # A row so unlikely that its gradient is not finite is left by noise alone.
        whitened = whiten(factor, gradient.nan_to_num(0.0, 0.0, 0.0))
        return coordinates.detach(), density.detach(), values.detach(), whitened

    x, density, values, gradient = scored(start)
    log_step = torch.full_like(density[:, :1, None], math.log(holes.size ** (-1 / 6)))
    n_adapted = int(_ADAPTATION_SHARE * n_steps)
    for i in range(n_steps):
        step = log_step.exp()
        # In whitened coordinates u, where x = mode + L^-T u for the precision L L^T.
        noise = torch.empty_like(x).normal_(generator=generator)
        move = 0.5 * step**2 * gradient + step * noise
        y, density_y, values_y, gradient_y = scored(x + unwhiten(factor, move))
        back = (move + 0.5 * step**2 * gradient_y) / step
        log_ratio = density_y - density + 0.5 * (noise.square() - back.square()).sum(2)
        chance = log_ratio.nan_to_num(-math.inf).clamp_max(0).exp()
        taken = torch.empty_like(chance).uniform_(generator=generator) < chance
        density = torch.where(taken, density_y, density)
        x, values, gradient = (
            torch.where(taken[:, :, None], new, old)
            for new, old in ((y, x), (values_y, values), (gradient_y, gradient))
        )
        if i < n_adapted:
            excess = chance.mean(1)[:, None, None] - _WANTED_ACCEPTANCE
            log_step = log_step + excess / math.sqrt(i + 1)
        else:
            yield values


def whiten(factor: Tensor, gradient: Tensor) -> Tensor:
    """Gradients (n, k, size) in the coordinates in which precisions L L^T are the identity."""
    return torch.linalg.solve_triangular(factor, gradient.mT, upper=False).mT


def unwhiten(factor: Tensor, move: Tensor) -> Tensor:
    """Moves (n, k, size) from these coordinates back."""
    return torch.linalg.solve_triangular(factor.mT, move.mT, upper=True).mT

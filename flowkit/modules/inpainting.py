"""Inpainting: the most likely values of a hole given the rest of a row, and draws of them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

# Fraction of the Langevin steps in which their length adapts, and the acceptance rate it aims at.
_ADAPTATION_SHARE = 0.5
_WANTED_ACCEPTANCE = 0.574
# Least curvature, in units of the latent, that a proposal assumes.
_MIN_PRECISION = 1e-2
# Values of latents, over all rows and chains, that are processed at once.
_MAX_VALUES = 2**17
# Values of one batch of tangents.
_MAX_TANGENT_VALUES = 2**22


def fill(
    lattice,
    prior,
    start: np.ndarray,
    mask: np.ndarray,
    *,
    n_draws: int | None,
    n_steps: int,
    learning_rate: float,
    n_langevin_steps: int,
    generator: torch.Generator,
) -> np.ndarray:
    """Fill the holes of rows; rows with the same hole are filled together.

    Parameters
    ----------
    lattice : Lattice
        Bijection of the rows, in double precision, without gradients of its parameters.
    prior : Product
        Density of the latents.
    start : ndarray of shape (n, n_features)
        Rows, with initial values in their holes.
    mask : ndarray of bool of shape (n, n_features)
        True in the holes.
    n_draws : int or None
        Number of draws of each hole, None for the most likely values.
    n_steps, learning_rate
        As in `most_likely`.
    n_langevin_steps : int
        Number of steps of the chains that draw.
    generator : torch.Generator
        Source of randomness, on the device of the lattice.

    Returns
    -------
    ndarray of shape (n_draws, n, n_features)
        Filled rows; the most likely values come as one draw.
    """
    filled = start[None].repeat(n_draws or 1, 0)
    patterns, which = np.unique(mask, axis=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        cone, columns = lattice.cone(pattern), np.flatnonzero(pattern)
        at_once = max(1, _MAX_VALUES // len(cone.columns))
        for rows in _chunks(np.flatnonzero(which.ravel() == i), at_once):
            hole = Hole(cone, prior, torch.from_numpy(start[rows]).to(cone.columns.device))
            values = most_likely(hole, n_steps, learning_rate)
            if n_draws is None:
                drawn = values[None]
            else:
                factor = precision_factor(hole, values)
                sizes = map(len, _chunks(range(n_draws), max(1, at_once // len(rows))))
                drawn = torch.cat(
                    [draw(hole, values, factor, n, n_langevin_steps, generator) for n in sizes]
                )
            filled[:, rows[:, None], columns] = drawn.cpu().numpy()
    return filled


def _chunks(items, size):
    return [items[i : i + size] for i in range(0, len(items), size)]


class Hole:
    """The density of rows as a function of the values in one hole, the same hole in all rows.

    Parameters
    ----------
    cone : Cone
        Inference cone of the hole, in double precision.
    prior : Product
        Density of the latents.
    rows : Tensor of shape (n, n_features)
        Rows, with initial values in the hole.
    """

    def __init__(self, cone, prior, rows: Tensor):
        self.cone = cone
        self.prior = prior.marginal(cone.columns).requires_grad_(False)
        self.start = rows.index_select(1, cone.hole)
        with torch.no_grad():
            self.kept, self.latents = cone.frame(rows)

    def log_density(self, values: Tensor, kept: list[Tensor] | None = None) -> Tensor:
        """Log density of each row with these values in the hole, up to a constant of the row.

        Parameters
        ----------
        values : Tensor of shape (n, n_hole)
            Values.
        kept : list of Tensor, optional
            Surroundings of the hole, as ``kept`` holds them; None for those of the rows.

        Returns
        -------
        Tensor of shape (n,)
            Nats.
        """
        z, log_det = self.cone.forward(values, self.kept if kept is None else kept)
        return self.prior.log_prob(z) + log_det


def most_likely(hole: Hole, n_steps: int, learning_rate: float) -> Tensor:
    """Search for the values of largest density in a hole.

    Adam moves the latents of the cone. The values that they give to the hole are scored together
    with the true surroundings. A coarse latent moves the whole hole at once, so that this takes
    fewer steps than moving each value by itself.

    Parameters
    ----------
    hole : Hole
        The hole to fill.
    n_steps : int
        Number of steps.
    learning_rate : float
        Learning rate of the first steps, in units of the latents; it falls to zero along a cosine.

    Returns
    -------
    Tensor of shape (n, n_hole)
        The values of largest density that any step reached.
    """
    latents = hole.latents.clone().requires_grad_()
    optimiser = torch.optim.Adam([latents], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    best = hole.start.clone()
    highest = torch.full_like(best[:, 0], -math.inf)
    for step in range(n_steps + 1):
        values = hole.cone.inverse(latents)
        density = hole.log_density(values)
        better = density.detach() > highest
        highest = torch.where(better, density.detach(), highest)
        best[better] = values.detach()[better]
        if step == n_steps:
            break
        (latents.grad,) = torch.autograd.grad(-density.sum(), latents)
        # The latents of a row so unlikely that its gradient is not finite stay as they are.
        latents.grad.nan_to_num_(0.0, 0.0, 0.0)
        optimiser.step()
        schedule.step()
    return best


def draw(
    hole: Hole,
    mode: Tensor,
    factor: Tensor,
    n_chains: int,
    n_steps: int,
    generator: torch.Generator,
) -> Tensor:
    """Draw values of a hole from their density given the surroundings, by Langevin steps.

    Steps are proposed along the gradient, preconditioned by the curvature at the mode, and
    accepted by the Metropolis-Hastings rule, so that with more steps the draws come as close to
    the density as one likes.

    Parameters
    ----------
    hole : Hole
        The hole to fill.
    mode : Tensor of shape (n, n_hole)
        Likely values, at which all chains begin.
    factor : Tensor of shape (n, n_hole, n_hole)
        From `precision_factor`, at the mode.
    n_chains : int
        Number of draws of each row, each the end of a chain of its own.
    n_steps : int
        Number of steps of each chain.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    Tensor of shape (n_chains, n, n_hole)
        The draws.
    """
    n, size = mode.shape
    kept = [part.repeat_interleave(n_chains, 1) for part in hole.kept]

    def scored(values):
        values = values.detach().requires_grad_()
        density = hole.log_density(values, kept)
        (gradient,) = torch.autograd.grad(density.sum(), values)
        return values.detach(), density.detach(), _whiten(factor, gradient)

    x, density, gradient = scored(mode.repeat_interleave(n_chains, 0))
    log_step = torch.full_like(density[:, None], math.log(size ** (-1 / 6)))
    n_adapted = int(_ADAPTATION_SHARE * n_steps)
    for i in range(n_steps):
        step = log_step.exp()
        # In whitened coordinates u, where x = mode + L^-T u for the precision L L^T.
        noise = torch.empty_like(x).normal_(generator=generator)
        move = 0.5 * step**2 * gradient + step * noise
        y, density_y, gradient_y = scored(x + _unwhiten(factor, move))
        back = (move + 0.5 * step**2 * gradient_y) / step
        log_ratio = density_y - density + 0.5 * (noise.square() - back.square()).sum(1)
        chance = log_ratio.nan_to_num(-math.inf).clamp_max(0).exp()
        taken = torch.empty_like(chance).uniform_(generator=generator) < chance
        density = torch.where(taken, density_y, density)
        x, gradient = (
            torch.where(taken[:, None], new, old) for new, old in ((y, x), (gradient_y, gradient))
        )
        if i < n_adapted:
            log_step = log_step + (chance[:, None] - _WANTED_ACCEPTANCE) / math.sqrt(i + 1)
    return x.view(n, n_chains, size).transpose(0, 1)


def precision_factor(hole: Hole, mode: Tensor) -> Tensor:
    """Cholesky factors (n, n_hole, n_hole) of the Gauss-Newton precision at each mode."""
    n, size = mode.shape
    n_latents = hole.latents.shape[1]
    at_once = max(1, _MAX_TANGENT_VALUES // (size * n_latents))
    eye = torch.eye(size, dtype=mode.dtype, device=mode.device)
    factors = []
    for i in range(0, n, at_once):
        part = mode[i : i + at_once]
        values = part.repeat_interleave(size, 0)
        kept = [outside[:, i : i + at_once].repeat_interleave(size, 1) for outside in hole.kept]
        with torch.no_grad():
            jacobian = torch.func.jvp(
                lambda x, kept=kept: hole.cone.forward(x, kept)[0],
                (values,),
                (eye.repeat(len(part), 1),),
            )[1]
        jacobian = jacobian.view(-1, size, n_latents)
        precision = jacobian @ jacobian.mT + _MIN_PRECISION * eye
        factors.append(torch.linalg.cholesky(precision))
    return torch.cat(factors)


def _whiten(factor: Tensor, gradient: Tensor) -> Tensor:
    """Gradients of all chains in the whitened coordinates of their rows."""
    by_row = gradient.view(len(factor), -1, gradient.shape[1]).mT
    return torch.linalg.solve_triangular(factor, by_row, upper=False).mT.reshape_as(gradient)


def _unwhiten(factor: Tensor, move: Tensor) -> Tensor:
    """Moves from the whitened coordinates of rows back to those of the values."""
    by_row = move.view(len(factor), -1, move.shape[1]).mT
    return torch.linalg.solve_triangular(factor.mT, by_row, upper=True).mT.reshape_as(move)

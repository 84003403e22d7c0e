"""Rows with the same hole under the density of a lattice."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .holes import Holes

# Least curvature, in units of the latent, that a proposal assumes.
_MIN_PRECISION = 1e-2
# Values of one batch of tangents.
_MAX_TANGENT_VALUES = 2**22


class LatticeHole(Holes):
    """Rows with the same hole under the density of a lattice; coordinates are the values.

    Parameters
    ----------
    cone : Cone
        Inference cone of the hole, in double precision.
    prior : Product
        Density of the latents.
    rows : Tensor of shape (n, n_features)
        Rows, with initial values in the hole.
    """

    n_steps, n_langevin_steps = 100, 200

    def __init__(self, cone, prior, rows: Tensor):
        self.cone = cone
        self.size = len(cone.hole)
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

    def evaluate(self, coordinates):
        n, k, _ = coordinates.shape
        kept = [part.repeat_interleave(k, 1) for part in self.kept]
        return self.log_density(coordinates.flatten(0, 1), kept).view(n, k), coordinates

    def most_likely(self, n_steps, learning_rate):
        return most_likely(self, n_steps, learning_rate)

    def precision(self, coordinates):
        return precision(self, coordinates)

    def starts(self, mode, factor, k, generator):
        return mode[:, None].repeat(1, k, 1)

    def put(self, rows, values):
        filled = rows[:, None].repeat(1, values.shape[1], 1)
        filled[:, :, self.cone.hole] = values
        return filled


def most_likely(hole: LatticeHole, n_steps: int, learning_rate: float) -> Tensor:
    """Search for the values of largest density in a hole.

    Adam moves the latents of the cone. The values that they give to the hole are scored together
    with the true surroundings. A coarse latent moves the whole hole at once, so that this takes
    fewer steps than moving each value by itself.

    Parameters
    ----------
    hole : LatticeHole
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


def precision(hole: LatticeHole, mode: Tensor) -> Tensor:
    """Gauss-Newton precision (n, n_hole, n_hole) at each mode."""
    n, size = mode.shape
    n_latents = hole.latents.shape[1]
    at_once = max(1, _MAX_TANGENT_VALUES // (size * n_latents))
    eye = torch.eye(size, dtype=mode.dtype, device=mode.device)
    found = []
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
        found.append(jacobian @ jacobian.mT + _MIN_PRECISION * eye)
    return torch.cat(found)

"""Rows with holes of their own under the density of a lifting."""

from __future__ import annotations

import torch
from torch import Tensor

from .holes import Holes
from .langevin import unwhiten

# Shares of a Newton step that are tried.
_SHARES = (1.0, 0.5, 0.2, 0.05)
# Values of one batch of Jacobians.
_MAX_JACOBIAN_VALUES = 2**22


class LiftedHoles(Holes):
    """Rows with holes of their own; coordinates are the latents of the values in the holes.

    What is drawn into a hole from coarse to fine has standard normal latents, so that the density
    of latents given the rest is theirs times the likelihood of what is known. It is smooth where
    that of values is not: a grey level that many pixels share is a needle among values and a wide
    range of latents. Coordinates of a row come in the order in which values are drawn; rows with
    smaller holes have some more at the end.

    Parameters
    ----------
    lifting : Lifting
        Bijection of the rows, in double precision, without gradients of its parameters.
    density : module
        Density of its latents: has ``log_prob``, as a prior or a flow.
    rows : Tensor of shape (n, n_features)
        Rows; what they hold in their holes is ignored, but must be finite.
    masks : ndarray of bool of shape (n, n_features)
        True in the holes, at least one in some row.
    """

    n_steps, n_langevin_steps = 6, 40

    def __init__(self, lifting, density, rows: Tensor, masks):
        self.density = density
        self.cone = cone = lifting.cone(masks)
        counts = torch.bincount(cone.rows, minlength=len(rows))
        self.size = int(counts.max())
        first = counts.cumsum(0) - counts
        every = torch.arange(len(cone.rows), device=rows.device)
        self._places = cone.rows, every - first[cone.rows]
        with torch.no_grad():
            self._kept = cone.frame(rows)
            self._latents = lifting(rows)[0].reshape(-1, 1)
        self._jacobian = _Jacobian(cone, counts, self._places[1])

    # ------------------------------------------------------------------ coordinates

    def _flat(self, coordinates):
        """Coordinates (n, k, size) of the holes one after the other, (n_hole, k)."""
        row, place = self._places
        return coordinates[row, :, place]

    def _by_row(self, flat):
        """The way back; zeros where holes are smaller."""
        row, place = self._places
        found = flat.new_zeros(self.cone.n_rows, flat.shape[1], self.size)
        found[row, :, place] = flat
        return found

    def put(self, rows, values):
        filled = rows[:, None].repeat(1, values.shape[1], 1)
        filled[self.cone.rows, :, self.cone.hole % self.cone.n_features] = self._flat(values)
        return filled

    # ------------------------------------------------------------------ density

    def evaluate(self, coordinates):
        n, k, _ = coordinates.shape
        values, latents, log_slopes = self.cone.inverse(self._flat(coordinates), self._kept)
        whole = self._latents.expand(-1, k).index_copy(0, self.cone.latents, latents)
        whole = whole.view(n, -1, k).transpose(1, 2).flatten(0, 1)
        return self.density.log_prob(whole).view(n, k) + log_slopes, self._by_row(values)

    def most_likely(self, n_steps, learning_rate=None):
        """As in `Holes`, by Gauss-Newton steps, whose length needs no learning rate.

        The search begins where every value is the median of what is drawn there; under a Gaussian
        density its first step ends at the conditional mean.
        """
        best = self._latents.new_zeros(self.cone.n_rows, 1, self.size)
        shares = best.new_tensor(_SHARES)[:, None]
        every = torch.arange(len(best), device=best.device)
        for _ in range(n_steps):
            here = best.clone().requires_grad_()
            density, _ = self.evaluate(here)
            (gradient,) = torch.autograd.grad(density.sum(), here)
            gradient = gradient.nan_to_num(0.0, 0.0, 0.0)
            factor = self.factor(best[:, 0])
            step = torch.cholesky_solve(gradient.mT, factor).mT
            tried = best + shares * step
            with torch.no_grad():
                reached = self.evaluate(tried)[0].nan_to_num(-torch.inf)
            highest, which = reached.max(1)
            better = highest > density[:, 0]
            if not better.any():
                break
            best = torch.where(better[:, None, None], tried[every, which][:, None], best)
        return best[:, 0]

    @torch.no_grad()
    def precision(self, coordinates):
        """As in `Holes`: one for the latents themselves, and what known latents add.

        The network does not count, only what linear predictions make of values in the holes.
        """
        slopes = []
        self.cone.inverse(self._flat(coordinates[:, None]), self._kept, slopes)
        by_value, by_location = (torch.cat(part)[:, 0] for part in zip(*slopes, strict=True))
        return self._jacobian.precision(by_value, by_location)

    def starts(self, mode, factor, k, generator):
        """As in `Holes`: draws of the normal density at the mode."""
        noise = mode.new_empty(len(mode), k, self.size).normal_(generator=generator)
        return mode[:, None] + unwhiten(factor, noise)


class _Jacobian:
    """Latents of each row by the values in its hole, if scales were fixed.

    Parameters
    ----------
    cone : LiftingCone
        Of the holes.
    counts : Tensor of int of shape (n_rows,)
        Numbers of values in them.
    place : Tensor of int of shape (n_hole,)
        Number of each value in its row.
    """

    def __init__(self, cone, counts: Tensor, place: Tensor):
        self._cone, self._place, self.size = cone, place, int(counts.max())
        row = cone.latents // cone.n_features
        # Latents of the hole come first, then those of what is predicted from it.
        position = torch.full_like(row, -1)
        linked = torch.zeros_like(row, dtype=torch.bool)
        linked[cone.links.latent] = True
        linked[cone.hole_latents] = False
        others = linked.nonzero()[:, 0]
        others = others[row[others].argsort(stable=True)]
        n_others = torch.bincount(row[others], minlength=cone.n_rows)
        rank = torch.arange(len(others), device=row.device)
        rank = rank - (n_others.cumsum(0) - n_others)[row[others]]
        position[others], position[cone.hole_latents] = self.size + rank, place
        self.height = self.size + int(n_others.max())
        link_row = row[cone.links.latent]
        self._order = link_row.argsort(stable=True)
        self._ends = torch.bincount(link_row, minlength=cone.n_rows).cumsum(0).tolist()
        self._row, self._position = row, position
        # Rows with smaller holes have coordinates that nothing depends on.
        self._padding = torch.arange(self.size, device=row.device) >= counts[:, None]

    def precision(self, by_value: Tensor, by_location: Tensor) -> Tensor:
        """Precision (n_rows, size, size) of the latents of the holes.

        Parameters
        ----------
        by_value, by_location : Tensor of shape (n_latents,)
            Slopes of latents along their value and along its prediction.
        """
        n, at_once = self._cone.n_rows, max(1, _MAX_JACOBIAN_VALUES // (self.height * self.size))
        found = []
        for first in range(0, n, at_once):
            jacobian = self._of(first, min(first + at_once, n), by_value, by_location)
            hole, known = jacobian[:, : self.size], jacobian[:, self.size :]
            known = torch.linalg.solve_triangular(hole, known, upper=False, left=False)
            eye = torch.eye(self.size, dtype=known.dtype, device=known.device)
            found.append(eye + known.mT @ known)
        return torch.cat(found)

    def _of(self, first, last, by_value, by_location):
        """Jacobians (last - first, height, size) of some rows."""
        cone, links = self._cone, self._cone.links
        jacobian = by_value.new_zeros(last - first, self.height, self.size)
        start = self._ends[first - 1] if first else 0
        chosen = self._order[start : self._ends[last - 1]]
        latent = links.latent[chosen]
        at = self._row[latent] - first, self._position[latent], self._place[links.value[chosen]]
        jacobian.index_put_(at, links.weight[chosen] * by_location[latent], accumulate=True)
        inside = ((cone.rows >= first) & (cone.rows < last)).nonzero()[:, 0]
        row, place = cone.rows[inside] - first, self._place[inside]
        jacobian[row, place, place] = by_value[cone.hole_latents[inside]]
        row, place = self._padding[first:last].nonzero().unbind(1)
        jacobian[row, place, place] = 1.0
        return jacobian

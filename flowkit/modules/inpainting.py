"""Inpainting: the most likely values of holes given the rest of a row, draws, and their mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from .holes import Holes
from .langevin import langevin
from .lattice_holes import LatticeHole
from .lifted_holes import LiftedHoles

# Values of latents, over all rows and chains, that are processed at once.
_MAX_VALUES = 2**17
# Of these, how often a row is tried at a time in a search.
_TRIED = 4


def fill(
    bijection,
    prior,
    start: np.ndarray,
    mask: np.ndarray,
    leave: Callable[[Tensor], Tensor],
    *,
    statistic: str,
    n_chains: int,
    n_steps: int | None,
    learning_rate: float,
    n_langevin_steps: int | None,
    generator: torch.Generator,
) -> np.ndarray:
    """Fill the holes of rows.

    Parameters
    ----------
    bijection : Lattice or Lifting
        Bijection of the rows, in double precision, without gradients of its parameters.
    prior : module
        Density of its latents: of a lattice a `Product`, of a lifting anything with ``log_prob``.
    start : ndarray of shape (n, n_features)
        Rows, with initial values in their holes.
    mask : ndarray of bool of shape (n, n_features)
        True in the holes.
    leave : callable
        From rows (m, n_features) to those that are filled, column by column.
    statistic : {'mode', 'draws', 'mean'}
        What holes are filled with: the most likely values, the ends of chains, or the mean of all
        that chains see once they have found the length of their steps.
    n_chains : int
        Number of chains of each row, for draws and their mean.
    n_steps : int or None
        Number of steps of the search; None for the usual one of the kind of holes.
    learning_rate : float
        As in `Holes.most_likely`.
    n_langevin_steps : int or None
        Number of steps of the chains; None for the usual one.
    generator : torch.Generator
        Source of randomness, on the device of the bijection.

    Returns
    -------
    ndarray of shape (n_draws, n, n_features)
        Rows behind `leave`, zeros where a row has no hole; modes and means come as one draw.
    """
    n_draws = n_chains if statistic == "draws" else 1
    device = generator.device
    filled = np.zeros((n_draws, *start.shape))
    for rows, holes, known in _holes(bijection, prior, start, mask, device):

        def whole(values, holes=holes, known=known):
            """Filled rows (k, n, n_features)."""
            put = holes.put(known, values).transpose(0, 1)
            return leave(put.flatten(0, 1)).view(put.shape)

        mode = holes.most_likely(n_steps or holes.n_steps, learning_rate)
        if statistic == "mode":
            with torch.no_grad():
                found = whole(holes.evaluate(mode[:, None])[1])
        else:
            factor = holes.factor(mode)
            parts = []
            for k in map(len, _chunks(range(n_chains), _MAX_VALUES // known.numel())):
                begin, length = holes.starts(mode, factor, k, generator), holes.n_langevin_steps
                chains = langevin(holes, begin, factor, n_langevin_steps or length, generator)
                parts.append((_ends if statistic == "draws" else _sums)(map(whole, chains)))
            found = torch.cat(parts) if statistic == "draws" else sum(parts)[None] / n_chains
        filled[:, rows] = found.cpu().numpy()
    return filled


def _ends(visited: Iterator[Tensor]) -> Tensor:
    """What chains see last, (k, n, n_features)."""
    *_, last = visited
    return last


def _sums(visited: Iterator[Tensor]) -> Tensor:
    """Mean of what a chain sees, summed over chains, (n, n_features)."""
    total, number = 0.0, 0
    for rows in visited:
        total, number = total + rows.sum(0), number + 1
    return total / number


def _holes(
    bijection, prior, start: np.ndarray, mask: np.ndarray, device
) -> Iterator[tuple[np.ndarray, Holes, Tensor]]:
    """Rows that are filled together: their numbers, their holes and themselves."""
    damaged = np.flatnonzero(mask.any(1))
    if not bijection.cone_of_rows:
        patterns, which = np.unique(mask[damaged], axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            cone = bijection.cone(pattern)
            for rows in _chunks(damaged[which.ravel() == i], _MAX_VALUES // len(cone.columns)):
                values = torch.from_numpy(start[rows]).to(device)
                yield rows, LatticeHole(cone, prior, values), values
        return
    for rows in _chunks(damaged, _MAX_VALUES // (_TRIED * mask.shape[1])):
        values = torch.from_numpy(start[rows]).to(device)
        yield rows, LiftedHoles(bijection, prior, values, mask[rows]), values


def _chunks(items, size):
    size = max(1, size)
    return [items[i : i + size] for i in range(0, len(items), size)]

"""Training noise that draws one of several completions of each row."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..training import Noise


@dataclass(frozen=True)
class CompletionNoise(Noise):
    """One of several completions of each row, drawn afresh in each epoch, and noise.

    Rows are ``(n, (1 + n_completions) * d)``: which values are known, as ones, then completions.
    Only known values get noise, as those that are filled in come from a density that has it.

    Parameters
    ----------
    n_completions : int, default=1
        Number of completions.
    """

    n_completions: int = 1

    def add(self, x, generator):
        """Return completed rows."""
        known, *completions = x.chunk(self.n_completions + 1, 1)
        shape = (len(x), 1, 1)
        which = torch.randint(self.n_completions, shape, generator=generator, device=x.device)
        stacked = torch.stack(completions, 1)
        chosen = stacked.take_along_dim(which, 1)[:, 0]
        return torch.where(known > 0, super().add(chosen, generator), chosen)

"""What belongs to one call of `fit`: the seeds of all that is random in it, and its clock."""

from __future__ import annotations

import time

import numpy as np
import torch

from .._seeds import check_random_state, draw_seed
from .processes import current_processes

# Seconds for a fit whose time is over: training ends after its first step.
_NO_TIME = 1e-9


class FitRun:
    """Seeds and clock of one call of `fit` or `partial_fit`, drawn without touching global state.

    The clock runs from when the object is made.

    Parameters
    ----------
    random_state : int, RandomState instance, Generator or None
        What a user gave; None draws one seed from numpy's global generator, as scikit-learn does.
    n_calls : int, default=0
        Number of calls of `partial_fit` before, each of which has seeds of its own.

    Attributes
    ----------
    start : RandomState
        Source for what comes before training: the hold-out, initialisation, completions.
    weights : torch.Generator
        Source for the initial weights, on the CPU.
    batches, dropout : int
        Seeds for batches and noise, and for dropout masks.
    """

    def __init__(self, random_state, n_calls: int = 0):
        self._began = time.monotonic()
        processes = current_processes()
        seed = processes.from_main(draw_seed(check_random_state(random_state)))
        entropy = np.random.SeedSequence([seed, n_calls])
        start, weights, self.batches, self.dropout = (
            int(s) for s in entropy.generate_state(4, np.uint64)
        )
        # Processes that train together have other rows each, and so other masks.
        self.dropout += processes.rank
        self.start = np.random.RandomState(start % 2**32)
        self.weights = self.torch(weights, torch.device("cpu"))

    def time_left(self, max_time: float | None) -> float | None:
        """Seconds that are left of a limit, as `TrainingOptions.max_time` takes them.

        Parameters
        ----------
        max_time : float or None
            Seconds that the fit may take, None for any number.

        Returns
        -------
        float or None
            Positive even when time is over, so that training takes one step; None without a limit.
        """
        if max_time is None:
            return None
        left = current_processes().from_main(max_time - (time.monotonic() - self._began))
        return max(_NO_TIME, left)

    def is_over(self, max_time: float | None) -> bool:
        """Whether a limit in seconds, None for none, has passed."""
        return self.time_left(max_time) == _NO_TIME

    @staticmethod
    def torch(seed: int, device: torch.device) -> torch.Generator:
        """A generator of this seed on a device."""
        return torch.Generator(device).manual_seed(seed % 2**63)

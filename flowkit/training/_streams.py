"""Seeds for all that is random in one fit, drawn without touching global state, and its clock."""

from __future__ import annotations

import time

import numpy as np
import torch

from .._seeds import check_random_state

# What a fit that is out of time may still take: one step.
NO_TIME = 1e-9


class Streams:
    """One seed each for the start, the weights, the batches and the dropout masks.

    The clock starts when it is made.

    Parameters
    ----------
    random_state : int, RandomState instance, Generator or None
        What a user gave; None draws one seed from numpy's global generator, as scikit-learn does.
    n_calls : int, default=0
        Number of calls of `partial_fit` before, each of which has seeds of its own.
    """

    def __init__(self, random_state, n_calls: int = 0):
        self._began = time.monotonic()
        seed = check_random_state(random_state).randint(2**31 - 1)
        entropy = np.random.SeedSequence([seed, n_calls])
        start, weights, self.batches, self.dropout = (
            int(s) for s in entropy.generate_state(4, np.uint64)
        )
        self.start = np.random.RandomState(start % 2**32)
        self.weights = self.torch(weights, torch.device("cpu"))

    def time_left(self, max_time: float | None) -> float | None:
        """Seconds that are left of those that a fit may take, None for any number."""
        if max_time is None:
            return None
        return max(NO_TIME, max_time - (time.monotonic() - self._began))

    @staticmethod
    def torch(seed: int, device: torch.device) -> torch.Generator:
        return torch.Generator(device).manual_seed(seed % 2**63)

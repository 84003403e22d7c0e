"""Which values of a table are missing together, and how often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MissingPatterns:
    """Patterns of missing values, as often as training rows had them.

    Parameters
    ----------
    patterns : ndarray of bool of shape (n_patterns, d)
        Which values are missing.
    shares : ndarray of shape (n_patterns,)
        Share of the weight of the training rows that each has.
    """

    patterns: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, missing: np.ndarray, weight: np.ndarray | None) -> MissingPatterns:
        """The patterns of training rows.

        Parameters
        ----------
        missing : ndarray of bool of shape (n, d)
            Where their values are missing.
        weight : ndarray of shape (n,) or None
            Their weights, None where all are alike.
        """
        patterns, which = np.unique(missing, axis=0, return_inverse=True)
        counts = np.bincount(which.reshape(-1), weight, len(patterns))
        return cls(patterns, counts / counts.sum())

    def draw(self, n: int, rng: np.random.RandomState) -> np.ndarray:
        """Where values of n rows are missing, shape (n, d)."""
        return self.patterns[rng.choice(len(self.patterns), n, p=self.shares)]

"""A uniform sample of all rows of a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ..validation import container_of, is_frame

# Rows that are kept.
_CAPACITY = 2_048


@dataclass(frozen=True)
class Reservoir:
    """At most 2048 rows, each as likely to be any of those seen.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n, n_features)
        The rows, in the order in which they were seen.
    weight : ndarray of shape (n,)
        Their weights.
    keys : ndarray of shape (n,)
        Independent uniform draws: those of the rows that are kept are the smallest of all.
    weighted : bool
        Whether weights were given.
    """

    X: Any
    weight: np.ndarray
    keys: np.ndarray
    weighted: bool

    @classmethod
    def of(cls, X, weight, rng: np.random.RandomState) -> Reservoir:
        """A sample of some rows, whose weights are None where none were given."""
        n = _num_samples(X)
        given = np.ones(n) if weight is None else weight
        return cls(X, given, rng.uniform(size=n), weight is not None)._reduced()

    def after(self, other: Reservoir) -> Reservoir:
        """A sample of the rows of this stream and of another one that follows it."""
        return Reservoir(
            _joined(self.X, other.X),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.keys, other.keys]),
            self.weighted or other.weighted,
        )._reduced()

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Weights of the rows, None where none were ever given."""
        return self.weight if self.weighted else None

    def _reduced(self):
        if len(self.keys) <= _CAPACITY:
            return self
        kept = np.sort(np.argsort(self.keys, kind="stable")[:_CAPACITY])
        X = _safe_indexing(self.X, kept)
        return Reservoir(X, self.weight[kept], self.keys[kept], self.weighted)


def _joined(first, second):
    """Rows below rows, in the container of the first."""
    if not is_frame(first):
        return np.concatenate([first, np.asarray(second)])
    if not is_frame(second):
        second = container_of(first).like(second)
    return container_of(first).join(second)

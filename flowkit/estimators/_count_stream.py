"""Rows of counts that come in chunks: what is kept of the first ones, and how old ones fade."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from ._count_training import CountRows

# Topics of fewer rows are begun anew when there are so many times more, until there are enough.
_GROWTH, _ENOUGH = 2, 2_000


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a stream of counts, kept while topics begin anew at them.

    The topics of a small first chunk are poor, and expectation maximisation does not leave them.
    So they begin at all rows so far again whenever these have doubled, up to 2,000 rows.

    Parameters
    ----------
    data, indices, indptr : ndarray
        The rows, as of a `csr_matrix`.
    weight : ndarray of shape (n,) or None
        Their weights.
    n_features : int
        Number of words.
    n_begun : int, default=0
        Number of rows that topics began at last.
    """

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    weight: np.ndarray | None
    n_features: int
    n_begun: int = 0

    @classmethod
    def of(cls, rows: CountRows, n_begun: int = 0) -> FirstRows:
        """Rows to keep."""
        counts = rows.counts
        parts = counts.data, counts.indices, counts.indptr, rows.weight
        return cls(*parts, counts.shape[1], n_begun)

    @property
    def rows(self) -> CountRows:
        """The rows that are kept."""
        parts = self.data, self.indices, self.indptr
        return CountRows(sparse.csr_matrix(parts, (self.n, self.n_features)), self.weight)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def are_due(self) -> bool:
        """Whether topics are to begin at these rows."""
        return self.n >= min(_GROWTH * self.n_begun, _ENOUGH)

    def joined(self, rows: CountRows) -> FirstRows:
        """These and the rows of one more chunk."""
        before, weight = self.rows, None
        if not (before.weight is None and rows.weight is None):
            weight = np.concatenate([_weights(before), _weights(rows)])
        counts = sparse.vstack([before.counts, rows.counts], format="csr")
        return FirstRows.of(CountRows(counts, weight), self.n_begun)

    def begun(self) -> FirstRows | None:
        """What is kept once topics began at these rows; None if they are enough."""
        return replace(self, n_begun=self.n) if self.n < _ENOUGH else None


def _weights(rows):
    return np.ones(rows.counts.shape[0]) if rows.weight is None else rows.weight

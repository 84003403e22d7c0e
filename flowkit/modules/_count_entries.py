"""Counts that are not zero, which is all that most rows of words have to say."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class CountEntries:
    """The entries of rows of counts that are not zero.

    Parameters
    ----------
    row, column : Tensor of int64 of shape (n_entries,)
        Where each entry is.
    count : Tensor of shape (n_entries,)
        The counts, positive.
    n_rows : int
        Number of rows, those without entries included.
    """

    row: Tensor
    column: Tensor
    count: Tensor
    n_rows: int

    @classmethod
    def of(cls, x: Tensor) -> CountEntries:
        """Entries of a dense tensor of shape (n, n_features)."""
        row, column = x.nonzero(as_tuple=True)
        return cls(row, column, x[row, column], len(x))

    def heaviest_first(self) -> CountEntries:
        """The same entries, the largest counts first; those of a row keep their order."""
        order = self.count.argsort(descending=True, stable=True)
        return CountEntries(self.row[order], self.column[order], self.count[order], self.n_rows)

    def to(self, dtype: torch.dtype) -> CountEntries:
        """The same entries with counts of another dtype."""
        return CountEntries(self.row, self.column, self.count.to(dtype), self.n_rows)

    def sum_by_row(self, values: Tensor) -> Tensor:
        """Sums over the entries of each row, of values of shape (n_entries, ...)."""
        return values.new_zeros(self.n_rows, *values.shape[1:]).index_add_(0, self.row, values)

    def lengths(self) -> Tensor:
        """Sum of the counts of each row, shape (n_rows,), float64."""
        return self.sum_by_row(self.count.double())

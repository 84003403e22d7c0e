"""Groups of columns that are read and written at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class ColumnGroups(nn.Module):
    """Groups of columns, which may differ in size by one.

    Missing columns of smaller groups repeat their last one and are left out when written.

    Parameters
    ----------
    groups : sequence of sequence of int
        Columns of each group.

    Attributes
    ----------
    groups : list of list of int
        The same.
    width : int
        Size of the largest group.
    ragged : bool
        Whether groups differ in size.
    arrays : tuple of ndarray of shape (n_groups, width)
        Columns, and which of them fill up smaller groups (0) or not (1).
    """

    def __init__(self, groups: Sequence[Sequence[int]]):
        super().__init__()
        self.groups = [[int(column) for column in group] for group in groups]
        self.width = max(map(len, self.groups))
        padded = [group + group[-1:] * (self.width - len(group)) for group in self.groups]
        present = torch.tensor(
            [[i < len(group) for i in range(self.width)] for group in self.groups],
            dtype=torch.bool,
        )
        self.ragged = not bool(present.all())
        index = torch.tensor(padded, dtype=torch.int64).flatten()
        self.register_buffer("index", index, persistent=False)
        # What compiled kernels read.
        self.arrays = np.array(padded, dtype=np.int64), present.numpy().astype(np.uint8)
        self.register_buffer("kept", present.flatten().nonzero()[:, 0], persistent=False)
        self.register_buffer("present", present[..., None], persistent=False)

    def of(self, columns: Tensor) -> Tensor:
        """``(d, n)`` to ``(n_groups, width, n)``."""
        shape = len(self.groups), self.width, columns.shape[1]
        return columns.index_select(0, self.index).view(shape)

    def put(self, columns: Tensor, values: Tensor) -> Tensor:
        """Columns with those of the groups replaced."""
        values, index = values.flatten(0, 1), self.index
        if self.ragged:
            values, index = values[self.kept], index[self.kept]
        return columns.index_copy(0, index, values)

    def total(self, log_slope: Tensor) -> Tensor:
        """``(n_groups, width, n)`` to sums of the groups, ``(n_groups, n)``."""
        return (log_slope * self.present if self.ragged else log_slope).sum(1)

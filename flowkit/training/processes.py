"""The processes that train one module together, each on its share of every batch."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from torch import Tensor

from .parts import in_parts


class Processes:
    """One process alone; subclasses stand for several.

    All of them hold all rows, draw the same batches, and make the same step of the sum of their
    gradients, so that they have the same weights at all times.

    Attributes
    ----------
    rank : int
        Number of this process, from 0 on.
    n : int
        Number of processes.
    """

    rank: int = 0
    n: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def share_of(self, batch, min_rows: int = 1):
        """The rows of a batch that this process takes, and how many rows it is a share of.

        Parameters
        ----------
        batch : tuple of (Tensor of shape (n, d), Tensor of shape (n,) or None)
            The batch.
        min_rows : int, default=1
            Rows that a share needs at least.

        Returns
        -------
        share : tuple of (Tensor of shape (m, d), Tensor of shape (m,) or None)
            The share.
        n_rows : float
            Number of rows of the batch; infinite for a process that has no share and only keeps
            step, with the rows of another.
        """
        n_shares = max(1, min(self.n, len(batch[0]) // max(1, min_rows)))
        parts = in_parts(batch, n_shares)
        if self.rank < n_shares:
            return parts[self.rank], len(batch[0])
        return parts[-1], math.inf

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over the processes."""
        return tensor

    def copy_from_main(self, tensor: Tensor) -> None:
        """Give a tensor the values that it has in the main process."""

    def from_main(self, value: Any) -> Any:
        """A plain value as the main process has it."""
        return value

    def gather(self, value: Any) -> list:
        """A plain value of each process, in their order."""
        return [value]


_current: ContextVar[Processes | None] = ContextVar("processes", default=None)


@contextlib.contextmanager
def trained_by(processes: Processes) -> Iterator[Processes]:
    """Context in which modules are trained by several processes together.

    Parameters
    ----------
    processes : Processes
        This one among them.

    Yields
    ------
    Processes
        The same.
    """
    token = _current.set(processes)
    try:
        yield processes
    finally:
        _current.reset(token)


def current_processes() -> Processes:
    """Those that train together in this context.

    Returns
    -------
    Processes
        One alone, outside of `trained_by`.
    """
    return _current.get() or Processes()

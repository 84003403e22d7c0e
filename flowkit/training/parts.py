"""Batches that go through a module in parts, where a whole one does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..exceptions import BatchMemoryError

# How torch says on the CPU, where its errors have no class of their own, that memory ran out.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")


class BatchParts:
    """A mean over batches, taken in twice as many parts each time that memory runs out.

    The parts add up to the mean over the whole batch, and gradients do too, so that training stays
    what it was, to rounding. Only modules whose rows depend on each other, such as `KernelFlow`,
    see fewer of them at once.

    Parameters
    ----------
    min_rows : int, default=1
        Rows that a part needs at least.

    Attributes
    ----------
    n : int
        Number of parts of each batch by now.
    """

    def __init__(self, min_rows: int = 1):
        self.min_rows = max(1, min_rows)
        self.n = 1

    def mean(self, part_of_mean: Callable, batch, n_rows: float) -> Tensor:
        """The mean over a batch.

        Parameters
        ----------
        part_of_mean : callable
            ``part_of_mean(part, share, is_first)``, given a part and its share of all rows, returns
            the share of the mean. With `is_first` it forgets what it did before.
        batch : tuple of (Tensor of shape (n, d), Tensor of shape (n,) or None)
            The batch.
        n_rows : float
            Number of rows that the mean is over, of which others may have some.

        Returns
        -------
        Tensor of shape ()
            The mean.

        Raises
        ------
        BatchMemoryError
            If not even the smallest parts fit into memory.
        """
        while True:
            try:
                parts = enumerate(in_parts(batch, self.n))
                return sum(part_of_mean(p, len(p[0]) / n_rows, not i) for i, p in parts)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                n_most = len(batch[0]) // self.min_rows
                if self.n >= n_most:
                    raise BatchMemoryError(
                        f"{-(-len(batch[0]) // self.n)} rows at once do not fit into memory in "
                        f"training ({reason}). Use a smaller network, fewer columns, "
                        "dtype='float32', or a machine with more memory."
                    ) from error
            # Here, and not above, the error no longer holds the tensors that filled the memory.
            self.n = min(2 * self.n, n_most)


def in_parts(batch, n: int) -> list:
    """A batch cut into parts of nearly equal size."""
    if n == 1:
        return [batch]
    x, weight = batch
    weights = [None] * n if weight is None else weight.tensor_split(n)
    return list(zip(x.tensor_split(n), weights, strict=True))


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory ran out.

    Parameters
    ----------
    error : Exception
        Of torch, numpy or Python.

    Returns
    -------
    bool
        Whether it does.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)

"""Rows as batches, of a tensor or read when it is their turn, perturbed by training noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Rows and their weights, both on the device that trains.

    Parameters
    ----------
    x : Tensor of shape (n, d)
        Rows.
    weight : Tensor of shape (n,) or None, default=None
        Weights with mean one.
    """

    x: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.x.device

    def take(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Rows by their positions, and their weights."""
        return self.x.index_select(0, index), _taken(self.weight, index)


@dataclass(frozen=True)
class UnreadRows:
    """Rows that stay where they are, such as on disk, and are read batch by batch.

    Parameters
    ----------
    read : callable
        ``read(index)`` returns rows by their positions, as a tensor on the device that trains.
    index : ndarray of int of shape (n,)
        Positions of the rows to train on.
    device : torch.device
        The device.
    weight : Tensor of shape (n,) or None, default=None
        Weights of these rows, with mean one.
    """

    read: Callable[[np.ndarray], Tensor]
    index: np.ndarray
    device: torch.device
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)

    def take(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """As `Rows.take`."""
        return self.read(self.index[index.cpu().numpy()]), _taken(self.weight, index)


@dataclass(frozen=True)
class Noise:
    """What is added to each training row, afresh in each epoch.

    Parameters
    ----------
    normal : float, default=0.0
        Standard deviation of normal noise on every column.
    uniform : Tensor of shape (d,) or None, default=None
        Width of centred uniform noise on each column.
    heavy : sequence of (int, Tensor, Tensor), default=()
        Column, value, and the width of the uniform noise that rows with this value get instead;
        needs `uniform`.
    """

    normal: float = 0.0
    uniform: Tensor | None = None
    heavy: Sequence[tuple[int, Tensor, Tensor]] = ()

    def add(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Add noise to rows.

        Parameters
        ----------
        x : Tensor of shape (n, d)
            Rows.
        generator : torch.Generator
            Source of the noise, on the device of the rows.

        Returns
        -------
        Tensor of shape (n, d)
            The rows with noise.
        """
        if self.uniform is not None:
            x = x + self._widths(x) * (torch.rand(x.shape, **_like(x), generator=generator) - 0.5)
        if self.normal:
            x = x + self.normal * torch.randn(x.shape, **_like(x), generator=generator)
        return x

    def _widths(self, x: Tensor) -> Tensor:
        if not self.heavy:
            return self.uniform
        widths = self.uniform.repeat(len(x), 1)
        for column, value, width in self.heavy:
            widths[x[:, column] == value, column] = width
        return widths


class ShuffledBatches:
    """Batches of nearly equal size in an order drawn anew for each pass.

    Parameters
    ----------
    rows : Rows or UnreadRows
        What to iterate over.
    batch_size : int
        Largest size of a batch.
    noise : Noise
        Added to the rows.
    generator : torch.Generator
        Source of order and noise.
    max_rows : int or None, default=None
        Largest number of rows in a pass, drawn anew for each; None for all.
    """

    def __init__(
        self,
        rows: Rows | UnreadRows,
        batch_size: int,
        noise: Noise,
        generator: torch.Generator,
        max_rows: int | None = None,
    ):
        self.rows = rows
        self.noise = noise
        self.generator = generator
        self.n_rows = rows_per_pass(len(rows), max_rows)
        self.n_batches = -(-self.n_rows // batch_size)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        rows = self.rows
        order = torch.randperm(len(rows), generator=self.generator, device=rows.device)
        for index in order[: self.n_rows].tensor_split(self.n_batches):
            x, weight = rows.take(index)
            yield self.noise.add(x, self.generator), weight


class OrderedBatches:
    """The rows as they are, in slices.

    Parameters
    ----------
    rows : Rows
        What to iterate over.
    batch_size : int
        Largest size of a slice.
    """

    def __init__(self, rows: Rows, batch_size: int):
        self.rows = rows
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        x, weight = self.rows.x, self.rows.weight
        for start in range(0, len(x), self.batch_size):
            part = slice(start, start + self.batch_size)
            yield x[part], None if weight is None else weight[part]


def rows_per_pass(n: int, max_rows: int | None) -> int:
    """How many of n rows a pass has, where there are at most `max_rows`."""
    return n if max_rows is None else min(n, max_rows)


def _taken(weight: Tensor | None, index: Tensor) -> Tensor | None:
    return None if weight is None else weight.index_select(0, index)


def _like(x: Tensor) -> dict:
    return {"dtype": x.dtype, "device": x.device}

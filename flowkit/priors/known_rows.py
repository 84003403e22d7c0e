"""Which of some rows a row is, by its values: found by a search in one sorted direction."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

# Rows are the same up to rounding to float32, as a share of their largest value, or of one.
TOLERANCE = 1e-6
_GOLDEN = (math.sqrt(5) - 1) / 2


class KnownRows(nn.Module):
    """Rows that are known again by their values.

    Rows that differ little lie close together in every direction, so that only those few have to
    be compared that lie close in one.

    Parameters
    ----------
    n_rows : int
        Number of rows.

    Attributes
    ----------
    first : Tensor of int of shape (n_rows,)
        Index of the first of the rows that equal each row.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors.known_rows import KnownRows
    >>> known = KnownRows(3)
    >>> known.remember(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]))
    >>> known.find(torch.tensor([[3.0, 4.0], [1.0, 2.0], [5.0, 6.0]]))
    tensor([ 1,  0, -1])
    """

    def __init__(self, n_rows: int):
        super().__init__()
        self._dtype = None
        # All follow from what the rows are taken from, so that none need be stored.
        index = torch.arange(n_rows)
        places = torch.full((n_rows,), math.inf, dtype=torch.float64)
        self.register_buffer("rows", torch.zeros(n_rows, 0), persistent=False)
        self.register_buffer("first", index, persistent=False)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("order", index.clone(), persistent=False)

    @torch.no_grad()
    def remember(self, rows: Tensor) -> None:
        """Learn the rows; at once where they are those that were learned last.

        Parameters
        ----------
        rows : Tensor of shape (n_rows, k)
            The rows.
        """
        # Rounding to another dtype can make rows equal.
        if rows.dtype == self._dtype and torch.equal(rows, self.rows):
            return
        self.rows, self._dtype = rows.clone(), rows.dtype
        self.first.copy_(_first_of_equals(rows))
        repeated = self.first != torch.arange(len(rows), device=rows.device)
        self.places, order = _places(rows).masked_fill(repeated, math.inf).sort()
        self.order.copy_(order)

    @torch.no_grad()
    def find(self, x: Tensor) -> Tensor:
        """Which of the remembered rows each row is.

        Parameters
        ----------
        x : Tensor of shape (n, k)
            Rows to be found.

        Returns
        -------
        Tensor of int of shape (n,)
            Index of the nearest within rounding, of equal ones the first; -1 for none.
        """
        tolerance = TOLERANCE * x.abs().amax(1).clamp_min(1)
        # Twice as wide, as a change of dtype rounds places too.
        place, reach = _places(x), 2 * tolerance.double()
        places = self.places.double()
        position = torch.searchsorted(places, place - reach)
        stop = torch.searchsorted(places, place + reach, right=True)
        found, least = torch.full_like(position, -1), tolerance
        while True:
            near = torch.nonzero(position < stop)[:, 0]
            if not len(near):
                return found
            candidates = self.order[position[near]]
            gaps = (x[near] - self.rows[candidates]).abs().amax(1)
            nearer = gaps < least[near]
            found[near[nearer]], least[near[nearer]] = candidates[nearer], gaps[nearer]
            position[near] += 1


def _places(rows: Tensor) -> Tensor:
    """Weighted means of the values of each row, float64, by weights that are no simple ratios."""
    index = torch.arange(1, rows.shape[1] + 1, dtype=torch.float64, device=rows.device)
    weights = 1 + (index * _GOLDEN).frac()
    return rows.double() @ (weights / weights.sum())


def _first_of_equals(rows: Tensor) -> Tensor:
    """Index of the first of the rows that equal each row."""
    _, group = torch.unique(rows, dim=0, return_inverse=True)
    index = torch.arange(len(rows), device=rows.device)
    first = torch.zeros_like(index).scatter_reduce(0, group, index, "amin", include_self=False)
    return first[group]

"""What holes in rows are to the chains that draw what may be in them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..exceptions import InvalidDataError

# Values of a hole; precisions are matrices of as many rows and columns.
_MAX_SIZE = 8192


class Holes:
    """Density of what is in the holes of rows given the rest, in coordinates of some kind.

    Subclasses implement `evaluate`, `most_likely`, `precision`, `starts` and `put`. The coordinates
    of n rows, k times each, are a tensor of shape (n, k, size).

    Attributes
    ----------
    size : int
        Number of coordinates of a row. Rows with fewer values in their hole have some that nothing
        depends on.
    n_steps, n_langevin_steps : int
        Usual numbers of steps of searches and of chains.
    """

    size: int
    n_steps: int
    n_langevin_steps: int

    def factor(self, coordinates: Tensor) -> Tensor:
        """Cholesky factors (n, size, size) of `precision`.

        Raises
        ------
        InvalidDataError
            If holes are too large for a matrix of their values, or rows are so far from all
            training rows that the precision overflows.
        """
        if self.size > _MAX_SIZE:
            raise InvalidDataError(
                f"a hole in mask has {self.size} values, of which there may be at most "
                f"{_MAX_SIZE}, channels counted: fill it in parts, or smaller pictures."
            )
        factors, failed = torch.linalg.cholesky_ex(self.precision(coordinates))
        if failed.any() or not factors.isfinite().all():
            raise InvalidDataError(
                f"{int(failed.count_nonzero())} of {len(failed)} rows of X are too far away from "
                "all training rows for their holes to be filled: leave them out."
            )
        return factors

    def evaluate(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """Log density of coordinates given what is known, and the values that they stand for.

        Parameters
        ----------
        coordinates : Tensor of shape (n, k, size)
            Coordinates.

        Returns
        -------
        log_density : Tensor of shape (n, k)
            Nats, up to a constant of the row; it can be differentiated.
        values : Tensor of shape (n, k, size)
            Values in the holes, for `put`.
        """
        raise NotImplementedError

    def most_likely(self, n_steps: int, learning_rate: float) -> Tensor:
        """Coordinates (n, size) of the largest density that a search finds.

        Parameters
        ----------
        n_steps : int
            Number of steps.
        learning_rate : float
            Length of the first ones, if the search does not know it by itself.
        """
        raise NotImplementedError

    def precision(self, coordinates: Tensor) -> Tensor:
        """Curvature (n, size, size) of the negative log density, about, at coordinates (n, size).

        It is positive definite.
        """
        raise NotImplementedError

    def starts(self, mode: Tensor, factor: Tensor, k: int, generator) -> Tensor:
        """Coordinates (n, k, size) at which chains begin.

        Parameters
        ----------
        mode : Tensor of shape (n, size)
            Likely coordinates.
        factor : Tensor of shape (n, size, size)
            Cholesky factor of the precision there.
        k : int
            Number of chains of a row.
        generator : torch.Generator
            Source of randomness.
        """
        raise NotImplementedError

    def put(self, rows: Tensor, values: Tensor) -> Tensor:
        """Rows with values in their holes.

        Parameters
        ----------
        rows : Tensor of shape (n, n_features)
            Rows.
        values : Tensor of shape (n, k, size)
            As `evaluate` gives them.

        Returns
        -------
        Tensor of shape (n, k, n_features)
            Each row k times.
        """
        raise NotImplementedError

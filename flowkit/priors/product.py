"""Blocks of columns, each with a prior of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from ._base import Prior


class Product(Prior):
    """Independent blocks of columns, each with a prior of its own.

    Parameters
    ----------
    priors : sequence of Prior
        One for each block.
    columns : sequence of sequences of int
        Columns of each block, every column in one of them.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import Laplace, Normal, Product
    >>> prior = Product([Laplace(2), Normal(1)], [[0, 2], [1]])
    >>> prior.log_prob(torch.zeros(1, 3))
    tensor([-2.3052])
    """

    def __init__(self, priors: Sequence[Prior], columns: Sequence[Sequence[int]]):
        columns = [list(block) for block in columns]
        super().__init__(sum(map(len, columns)))
        flat = [j for block in columns for j in block]
        if sorted(flat) != list(range(self.n_features)):
            raise InvalidParameterError(
                f"columns must hold each of the columns 0 to {self.n_features - 1} once, got "
                f"{columns}."
            )
        sizes = [prior.n_features for prior in priors]
        if sizes != list(map(len, columns)):
            raise InvalidParameterError(
                f"the priors have {sizes} features, but the blocks {list(map(len, columns))} "
                "columns; they must be equal."
            )
        self.priors = nn.ModuleList(priors)
        self.sizes = sizes
        order = torch.tensor(flat)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("inverse", order.argsort(), persistent=False)

    def parts(self, z: Tensor) -> tuple[Tensor, ...]:
        """Columns of each block, ``(n, size)`` each."""
        return z.index_select(1, self.order).split(self.sizes, 1)

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Rows made of the columns of each block: the way back from `parts`."""
        return torch.cat(list(parts), 1).index_select(1, self.inverse)

    def log_prob_by_column(self, z: Tensor) -> Tensor:
        parts = zip(self.priors, self.parts(z), strict=True)
        return self.join([prior.log_prob_by_column(part) for prior, part in parts])

    def marginal(self, columns: Tensor) -> Product:
        """Prior of some of the columns: those of a block whose columns depend on each other whole.

        Parameters
        ----------
        columns : Tensor of int of shape (k,)
            Which, in increasing order.

        Returns
        -------
        Product
            Prior of `k` columns, a copy.

        Raises
        ------
        InvalidParameterError
            If a block of dependent columns is cut.
        """
        position = torch.full((self.n_features,), -1)
        position[columns.cpu()] = torch.arange(len(columns))
        priors, blocks = [], []
        for prior, block in zip(self.priors, self.order.cpu().split(self.sizes), strict=True):
            kept = (position[block] >= 0).nonzero()[:, 0]
            if not len(kept):
                continue
            priors.append(prior.marginal(kept))
            blocks.append(position[block[kept]].tolist())
        return Product(priors, blocks).to(self.order.device)

    def _log_prob(self, z):
        parts = zip(self.priors, self.parts(z), strict=True)
        return sum(prior.log_prob(part) for prior, part in parts)

    @property
    def has_marginals(self):
        return all(prior.has_marginals for prior in self.priors)

    def _log_prob_marginal(self, z, known):
        parts = zip(self.priors, self.parts(z), self.parts(known), strict=True)
        return sum(prior.log_prob_marginal(part, observed) for prior, part, observed in parts)

    @property
    def has_conditionals(self):
        return all(prior.has_conditionals for prior in self.priors)

    def _law_given(self, z, known, column):
        place = int(self.inverse[column])
        parts = zip(self.priors, self.parts(z), self.parts(known), strict=True)
        for prior, part, observed in parts:
            if place < prior.n_features:
                return prior.law_given(part, observed, place)
            place -= prior.n_features
        raise IndexError(column)

    def _sample(self, n, generator, temperature):
        parts = zip(self.priors, self._by_part(temperature), strict=True)
        return self.join([prior.sample(n, generator, part) for prior, part in parts])

    def _by_part(self, temperature):
        """A temperature, or one of each column, as that of the columns of each block."""
        by_column = torch.as_tensor(temperature, device=self.order.device).expand(self.n_features)
        return [part[0] for part in self.parts(by_column[None])]

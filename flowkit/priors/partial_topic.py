"""Topics of some columns of the latent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..exceptions import InvalidParameterError
from .factorised import Normal
from .product import Product
from .topic import Topic


class PartialTopic(Product):
    """Topics that some columns follow, beside a standard normal density of each of the others.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_topics : int
        Number of topics.
    groups : sequence of sequences of int
        Word groups, every column in one of them.
    columns : sequence of int
        Columns that follow topics, at least one in each group.
    **options
        As in `Topic`.

    Attributes
    ----------
    groups : list of list of int
        Word groups.
    topic : Topic
        Density of the columns that follow topics.

    Examples
    --------
    >>> import torch
    >>> from flowkit.priors import PartialTopic
    >>> prior = PartialTopic(6, n_topics=2, groups=[[0, 1, 2], [3, 4, 5]], columns=[0, 3])
    >>> prior.log_prob(torch.zeros(1, 6)).shape
    torch.Size([1])
    >>> prior.responsibilities(torch.zeros(1, 6)).shape
    torch.Size([1, 2, 2])
    """

    def __init__(
        self,
        n_features: int,
        n_topics: int,
        groups: Sequence[Sequence[int]],
        columns: Sequence[int],
        **options,
    ):
        groups, columns = [list(group) for group in groups], sorted(columns)
        place = {column: i for i, column in enumerate(columns)}
        own = [[place[j] for j in group if j in place] for group in groups]
        if not all(own):
            raise InvalidParameterError(
                f"each word group needs one of the columns {columns}, got {groups}."
            )
        others = sorted({j for group in groups for j in group} - set(columns))
        topic = Topic(len(columns), n_topics, own, **options)
        parts = [(topic, columns)] + ([(Normal(len(others)), others)] if others else [])
        super().__init__(*zip(*parts, strict=True))
        if self.n_features != n_features:
            raise InvalidParameterError(
                f"groups must hold each of the columns 0 to {n_features - 1}, got {groups}."
            )
        self.groups = groups

    @property
    def topic(self) -> Topic:
        return self.priors[0]

    @property
    def n_topics(self) -> int:
        """Number of topics."""
        return self.topic.n_topics

    @property
    def one_hot(self) -> bool:
        """Whether all groups of a row follow one topic."""
        return self.topic.one_hot

    @property
    def alpha(self) -> Tensor:
        """Concentration of the Dirichlet distribution of the proportions, shape (n_topics,)."""
        return self.topic.alpha

    def moments(self) -> tuple[list[Tensor], list[Tensor]]:
        """As `Topic.moments`, of the columns that follow topics."""
        return self.topic.moments()

    def proportions(self, z: Tensor) -> Tensor:
        """As `Topic.proportions`."""
        return self.topic.proportions(self.parts(z)[0])

    def responsibilities(self, z: Tensor) -> Tensor:
        """As `Topic.responsibilities`."""
        return self.topic.responsibilities(self.parts(z)[0])

    def move(self, z: Tensor, origin: Tensor, target: Tensor) -> Tensor:
        """As `Topic.move`; columns without topics stay."""
        first, *others = self.parts(z)
        return self.join([self.topic.move(first, origin, target), *others])

    @torch.no_grad()
    def sample_given(
        self,
        proportions: Tensor,
        generator: torch.Generator | None = None,
        temperature: float | Tensor = 1.0,
    ) -> Tensor:
        """As `Topic.sample_given`."""
        first, *others = self._by_part(temperature)
        drawn = [self.topic.sample_given(proportions, generator, first)]
        for prior, factor in zip(self.priors[1:], others, strict=True):
            drawn.append(prior.sample(len(proportions), generator, factor))
        return self.join(drawn)

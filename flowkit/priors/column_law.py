"""The law of one column of a row given others: its cumulative distribution, quantiles and draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._bisection import solve

if TYPE_CHECKING:
    from .location_scale import LocationScale


class ColumnLaw:
    """Law of one number for each of n rows.

    Subclasses implement `cdf` and `draw`.
    """

    def cdf(self, values: Tensor) -> Tensor:
        """Probability of at most a value.

        Parameters
        ----------
        values : Tensor of shape (n, m)
            Values for each row.

        Returns
        -------
        Tensor of shape (n, m)
            Probabilities.
        """
        raise NotImplementedError

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw for each row, shape (n,)."""
        raise NotImplementedError

    def quantile(self, probabilities: Tensor) -> Tensor:
        """Where `cdf` has these values, by bisection.

        Parameters
        ----------
        probabilities : Tensor of shape (n, m)
            Between 0 and 1, both excluded.

        Returns
        -------
        Tensor of shape (n, m)
            Quantiles.
        """
        return solve(self.cdf, probabilities)


@dataclass(frozen=True)
class NormalMixtureLaw(ColumnLaw):
    """Mixture of normal distributions.

    Parameters
    ----------
    log_weights : Tensor of shape (n, k)
        Log weights of the components of each row, up to a constant.
    means, deviations : Tensor of shape (n, k)
        Means and standard deviations.
    """

    log_weights: Tensor
    means: Tensor
    deviations: Tensor

    @property
    def weights(self) -> Tensor:
        """Weights that sum to one, shape (n, k)."""
        return self.log_weights.softmax(1)

    def cdf(self, values):
        weights, columns = self.weights, []
        for value in values.unbind(1):
            below = torch.special.ndtr((value[:, None] - self.means) / self.deviations)
            columns.append((weights * below).sum(1))
        return torch.stack(columns, 1)

    def draw(self, generator=None):
        which = torch.multinomial(self.weights, 1, generator=generator)
        noise = torch.empty_like(self.means[:, 0]).normal_(generator=generator)
        mean, deviation = self.means.gather(1, which), self.deviations.gather(1, which)
        return mean[:, 0] + deviation[:, 0] * noise


@dataclass(frozen=True)
class IndependentLaw(ColumnLaw):
    """Law of a column that depends on no other.

    Parameters
    ----------
    prior : LocationScale
        Prior of that column alone.
    n : int
        Number of rows.
    """

    prior: LocationScale
    n: int

    def cdf(self, values):
        return self.prior.cdf(values.reshape(-1, 1)).view_as(values)

    def draw(self, generator=None):
        return self.prior.sample(self.n, generator)[:, 0]

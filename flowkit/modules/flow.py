"""A bijection onto a prior: a density with exact likelihood and samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..bijections import Bijection
from ..exceptions import ShapeError
from ..priors import Prior


class Flow(nn.Module):
    """Density of ``x`` whose latent ``z = bijection(x)`` follows `prior`.

    Parameters
    ----------
    bijection : Bijection
        Map from data to latent.
    prior : Prior
        Density of the latent, of as many features.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import SplineCoupling
    >>> from flowkit.modules import Flow
    >>> from flowkit.priors import Normal
    >>> flow = Flow(SplineCoupling(2), Normal(2))
    >>> flow.log_prob(torch.zeros(1, 2)).shape
    torch.Size([1])
    """

    def __init__(self, bijection: Bijection, prior: Prior):
        super().__init__()
        if bijection.n_features != prior.n_features:
            raise ShapeError(
                f"bijection has {bijection.n_features} features, prior {prior.n_features}; "
                "they must be equal."
            )
        self.bijection = bijection
        self.prior = prior

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Same as `log_prob`."""
        return self.log_prob(x, context)

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Log density of each row of ``x`` (n, n_features) in nats, shape (n,)."""
        z, log_det = self.bijection(x, context)
        return self.prior.log_prob(z) + log_det

    def sample(
        self, n: int, generator: torch.Generator | None = None, context: Tensor | None = None
    ) -> Tensor:
        """Draw ``n`` rows, one for each row of ``context`` where that is given."""
        with torch.no_grad():
            return self.decode(self.prior.sample(n, generator), context)

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Latent of each row."""
        return self.bijection(x, context)[0]

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Data of each latent row."""
        return self.bijection.inverse(z, context)[0]

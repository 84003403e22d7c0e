"""A density of targets given their predictions and features: what a regression leaves over."""

from __future__ import annotations

import torch
from torch import Tensor

from ..bijections import Bijection
from ..exceptions import ShapeError
from ..priors import Prior
from ._base import DensityModule


class ResidualFlow(DensityModule):
    """Density of targets ``y`` given a location, a scale and features, all in one row.

    A row is ``(y, location, log_scale, features)``. The residual ``(y - location) / scale`` goes
    through `bijection` onto `prior`. Its context is the row without its targets, with the inverse
    hyperbolic sine of the location, so that networks see no number far from those they learnt on.

    Parameters
    ----------
    bijection : Bijection
        Map of residuals, with a context of at least twice as many columns as there are targets.
    prior : Prior
        Density of the latent, of as many columns as there are targets.

    Attributes
    ----------
    n_targets : int
        Number of targets.

    Raises
    ------
    ShapeError
        If bijection and prior differ in their numbers of features, or the context has no room for
        location and scale.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import ElementwiseAffine
    >>> from flowkit.modules import ResidualFlow
    >>> from flowkit.priors import Normal
    >>> flow = ResidualFlow(ElementwiseAffine(1, n_context=5), Normal(1))
    >>> flow.log_prob(torch.zeros(2, 6)).shape
    torch.Size([2])
    """

    def __init__(self, bijection: Bijection, prior: Prior):
        n_targets, n_context = bijection.n_features, bijection.n_context
        super().__init__(n_targets + n_context)
        if n_targets != prior.n_features:
            raise ShapeError(
                f"bijection has {n_targets} features, prior {prior.n_features}; they must be equal."
            )
        if n_context < 2 * n_targets:
            raise ShapeError(
                f"expected a context of at least {2 * n_targets} columns, location and log scale "
                f"of {n_targets} target(s), got {n_context}."
            )
        self.n_targets = n_targets
        self.bijection = bijection
        self.prior = prior

    @property
    def n_latent(self) -> int:
        return self.n_targets

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Log density of the targets of each row given the rest of it; `context` is ignored."""
        z, log_det = self._forward(x)
        return self.prior.log_prob(z) + log_det

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Latent of the targets of each row, shape (n, n_targets); `context` is ignored."""
        return self._forward(x)[0]

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Targets of each latent, shape (n, n_targets); `context` is a row without targets."""
        location, log_scale = self._location_and_log_scale(context)
        return location + log_scale.exp() * self.bijection.inverse(z, self._seen(context))[0]

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
        temperature: float | Tensor = 1.0,
    ) -> Tensor:
        """Draw targets, shape (n, n_targets); `context` has n rows without targets."""
        with torch.no_grad():
            return self.decode(self.prior.sample(n, generator, temperature), context)

    def _forward(self, x):
        y, context = x[:, : self.n_targets], x[:, self.n_targets :]
        location, log_scale = self._location_and_log_scale(context)
        residual = (y - location) * torch.exp(-log_scale)
        z, log_det = self.bijection(residual, self._seen(context))
        return z, log_det - log_scale.sum(1)

    def _location_and_log_scale(self, context):
        return context[:, : self.n_targets], context[:, self.n_targets : 2 * self.n_targets]

    def _seen(self, context):
        """What networks see of a context."""
        location, rest = context[:, : self.n_targets], context[:, self.n_targets :]
        return torch.cat([location.asinh(), rest], 1)

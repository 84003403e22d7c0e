"""A bijection onto a prior: a density with exact likelihood and samples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..bijections import Bijection
from ..exceptions import ShapeError
from ..priors import Kernel, Prior


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

    @property
    def has_marginals(self) -> bool:
        """Whether `log_prob_marginal` can be asked for: the map mixes no columns and the prior
        knows its marginals."""
        return self.bijection.is_elementwise and self.prior.has_marginals

    def log_prob_marginal(self, x: Tensor, known: Tensor) -> Tensor:
        """Log density of what is known of each row, exact where `has_marginals`.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows; unknown values have no effect and may be NaN.
        known : Tensor of bool of shape (n, n_features)
            Which values are known.

        Returns
        -------
        Tensor of shape (n,)
            Nats; 0 where nothing is known.
        """
        z, log_slope = self.bijection.forward_by_column(torch.where(known, x, 0.0))
        log_slope = torch.where(known, log_slope, 0.0).sum(1)
        return self.prior.log_prob_marginal(z, known) + log_slope

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Latent of each row."""
        return self.bijection(x, context)[0]

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Data of each latent row."""
        return self.bijection.inverse(z, context)[0]


class KernelFlow(Flow):
    """A flow onto kernels on the latents of some rows, which move as the bijection is trained.

    In training a row is judged by the other rows of its batch, since kernels on rows themselves
    would reward spikes; in evaluation by kernels on all `rows`.

    Parameters
    ----------
    bijection : Bijection
        Map from data to latent.
    prior : Kernel
        Density of the latent.
    """

    prior: Kernel
    # The kernel on a row itself is left out of its score, and only a whole row is known for one.
    has_marginals = False

    def __init__(self, bijection: Bijection, prior: Kernel):
        super().__init__(bijection, prior)
        self.register_buffer("rows", torch.zeros_like(prior.centres))
        self.register_load_state_dict_post_hook(_move_kernels)

    def start(self, rows: Tensor, weights: Tensor | None = None) -> None:
        """Put the kernels on the latents of rows.

        Parameters
        ----------
        rows : Tensor of shape (n_centres, n_features)
            The rows.
        weights : Tensor of shape (n_centres,), default=None
            Positive weights of the kernels; None weighs them alike.

        Raises
        ------
        ShapeError
            If the shape is another.
        """
        if rows.shape != self.rows.shape:
            raise ShapeError(
                f"expected rows of shape {tuple(self.rows.shape)}, got {tuple(rows.shape)}."
            )
        self.rows.copy_(rows)
        if weights is not None:
            self.prior.weights.copy_(weights)
        self.train(self.training)

    def train(self, mode: bool = True) -> KernelFlow:
        """Set the mode; evaluation puts the kernels where the rows have moved to."""
        super().train(mode)
        if not mode:
            with torch.no_grad():
                self.prior.start(self.encode(self.rows), rows=self.rows)
        return self

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_det = self.bijection(x, context)
        if self.training:
            return self.prior.leave_one_out(z) + log_det
        return self.prior.leave_own_out(z, x, self.rows) + log_det

    def own_kernel(self, x: Tensor) -> Tensor:
        """The kernel on each row itself, -1 where it has none, shape (n,)."""
        return self.prior.own(self.encode(x), x, self.rows)

    def log_prob_without(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Log density of each row without one more kernel, as `own_kernel` gives it, shape (n,)."""
        z, log_det = self.bijection(x)
        return self.prior.leave_own_out(z, x, self.rows, kernel) + log_det


def _move_kernels(module, _):
    module.train(module.training)

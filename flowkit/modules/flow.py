"""A bijection onto a prior: a density with exact likelihood and samples."""

from __future__ import annotations

import torch
from torch import Tensor

from ..bijections import Bijection
from ..exceptions import ShapeError
from ..priors import Kernel, Prior
from ..priors.known_rows import KnownRows
from ._base import Batch, DensityModule, weighted_mean
from ._chunks import chunk_size
from ._unmixed import unmixed_parts


class Flow(DensityModule):
    """Density of ``x`` whose latent ``z = bijection(x)`` follows `prior`.

    Parameters
    ----------
    bijection : Bijection
        Map from data to latent.
    prior : Prior
        Density of the latent, of as many features.

    Raises
    ------
    ShapeError
        If bijection and prior differ in their numbers of features.

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

    # `log_prob` is the log density itself.
    is_exact = True

    def __init__(self, bijection: Bijection, prior: Prior):
        super().__init__(bijection.n_features)
        if bijection.n_features != prior.n_features:
            raise ShapeError(
                f"bijection has {bijection.n_features} features, prior {prior.n_features}; "
                "they must be equal."
            )
        self.bijection = bijection
        self.prior = prior

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_det = self.bijection(x, context)
        return self.prior.log_prob(z) + log_det

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
        temperature: float | Tensor = 1.0,
    ) -> Tensor:
        with torch.no_grad():
            z = self.prior.sample(n, generator, temperature)
            if context is not None:
                return self.decode(z, context)
            return torch.cat([self.decode(part) for part in z.split(chunk_size(z.shape[1]))])

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

    def unmixed(self) -> Flow | None:
        parts = unmixed_parts(self.bijection, self.prior)
        return None if parts is None else Flow(*parts).eval()

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.bijection(x, context)[0]

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return self.bijection.inverse(z, context)[0]


class KernelFlow(Flow):
    """A flow onto kernels on the latents of some rows, which move as the bijection is trained.

    `log_prob` of a row is that under the kernels on all `rows` but itself; `refresh` moves the
    kernels to where the bijection maps the rows. `loss` has no need of them: it scores each row of
    a batch by kernels on the other rows of the batch, since kernels on the rows themselves would
    reward spikes.

    Parameters
    ----------
    bijection : Bijection
        Map from data to latent.
    prior : Kernel
        Density of the latent.

    Attributes
    ----------
    rows : Tensor of shape (n_centres, n_features)
        Rows whose latents are the centres of the kernels.
    known_rows : KnownRows
        What knows these again by their values rather than by their latents, which a steep map
        drives apart.
    """

    prior: Kernel
    has_kernels = True
    # Rows of a batch are scored by each other.
    min_rows = 2
    # The kernel on a row itself is left out of its score, and only a whole row is known for one.
    has_marginals = False

    def __init__(self, bijection: Bijection, prior: Kernel):
        super().__init__(bijection, prior)
        self.register_buffer("rows", torch.zeros_like(prior.centres))
        self.known_rows = KnownRows(len(self.rows))

    def start(self, rows: Tensor, weights: Tensor | None = None) -> None:
        """Put the kernels on the latents of rows.

        Parameters
        ----------
        rows : Tensor of shape (n_centres, n_features)
            The rows.
        weights : Tensor of shape (n_centres,), default=None
            Positive weights of the kernels; None weights them equally.

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
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Move the kernels to the latents of `rows`."""
        if self.training:
            # The latents that scoring sees are those without dropout.
            self.eval()
            self.refresh()
            self.train()
            return
        self.known_rows.remember(self.rows)
        self.prior.start(self.encode(self.rows))

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        z, log_det = self.bijection(x, context)
        return self.prior.log_prob_without(z, self.own_kernel(x)) + log_det

    def loss(self, batch: Batch) -> Tensor:
        """Minus the mean log density of each row given kernels on the others, in nats.

        Parameters
        ----------
        batch : tuple of (Tensor of shape (n, n_features), Tensor of shape (n,) or None)
            At least two rows, and their weights, which have mean one over all training rows.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        x, weight = batch
        z, log_det = self.bijection(x)
        return -weighted_mean(self.prior.leave_one_out(z) + log_det, weight)

    def own_kernel(self, x: Tensor) -> Tensor:
        """The kernel on each row itself.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.

        Returns
        -------
        Tensor of int of shape (n,)
            Index among `rows`, -1 for a row without a kernel.
        """
        return self.known_rows.find(x)

    def log_prob_without(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Log density of each row without one more kernel than its own.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        kernel : Tensor of int of shape (n,)
            The kernels to leave out, as `own_kernel` returns them.

        Returns
        -------
        Tensor of shape (n,)
            Nats.
        """
        z, log_det = self.bijection(x)
        return self.prior.log_prob_without(z, self.own_kernel(x), kernel) + log_det

"""The contract of every density module: what estimators and training ask of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError

# Rows (n, n_features) and their weights (n,), whose mean over all training rows is one; for some
# modules also what training holds rows at.
Batch = tuple[Tensor, Tensor | None] | tuple[Tensor, Tensor | None, Tensor]


class DensityModule(nn.Module):
    """A density of rows that gradient descent can train.

    Subclasses implement `log_prob`, which is enough to be trained and scored, and, where they can,
    `sample`, `encode` and `decode`. A subclass whose training maximises something else than the
    log density overrides `loss`, and one whose `log_prob` uses tensors that follow from the
    weights overrides `refresh`. Train mode switches dropout on, and changes nothing else.

    Parameters
    ----------
    n_features : int
        Number of columns of a row.

    Attributes
    ----------
    is_exact : bool
        Whether `log_prob` is the log density itself rather than an estimate of it.
    n_latent : int
        Number of columns of a latent row.
    has_marginals : bool
        Whether `log_prob_marginal` is known in closed form.
    has_kernels : bool
        Whether rows may have kernels of their own, which `own_kernel` and `log_prob_without` know.
    min_rows : int
        Rows that `loss` needs at least.
    warmth : float
        Weight in `loss` of terms that training lets rise from zero, such as the divergence of a
        variational module; 1.0 outside training.
    penalised : Tensor or float
        What the last call of `loss` added to what it reports, such as a penalty beside minus the
        log density.
    monitored : dict of str to Tensor
        Scalars that the last call of `loss` leaves for the history of the training, each a mean
        over the rows of the batch.

    Examples
    --------
    >>> import torch
    >>> from flowkit.modules import DensityModule
    >>> class Exponential(DensityModule):
    ...     def __init__(self, n_features):
    ...         super().__init__(n_features)
    ...         self.log_rate = torch.nn.Parameter(torch.zeros(n_features))
    ...
    ...     def log_prob(self, x, context=None):
    ...         return (self.log_rate - self.log_rate.exp() * x).sum(1)
    >>> module = Exponential(2)
    >>> module.loss((torch.ones(3, 2), None))
    tensor(2., grad_fn=<NegBackward0>)
    """

    is_exact: bool = True
    has_marginals: bool = False
    has_kernels: bool = False
    min_rows: int = 0
    warmth: float = 1.0
    penalised: Tensor | float = 0.0

    def __init__(self, n_features: int):
        super().__init__()
        if n_features < 1:
            raise InvalidParameterError(f"n_features must be at least 1, got {n_features}.")
        self.n_features = n_features
        self.monitored: dict[str, Tensor] = {}
        self.register_load_state_dict_post_hook(_refresh)

    @property
    def n_latent(self) -> int:
        return self.n_features

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Log density of each row.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        context : Tensor of shape (n, n_context), default=None
            What the density of each row is conditioned on; modules without conditions ignore it.

        Returns
        -------
        Tensor of shape (n,)
            Nats; ``-inf`` outside the support.
        """
        raise _missing(self, "log_prob")

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Same as `log_prob`."""
        return self.log_prob(x, context)

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        context: Tensor | None = None,
        temperature: float | Tensor = 1.0,
    ) -> Tensor:
        """Draw rows.

        Parameters
        ----------
        n : int
            Number of rows.
        generator : torch.Generator, default=None
            Source of randomness, on the device of the module; None is torch's global one.
        context : Tensor of shape (n, n_context), default=None
            What each row is conditioned on.
        temperature : float or Tensor of shape (n_latent,), default=1.0
            What standard deviations of the latent are multiplied by, as in `Prior.sample`.

        Returns
        -------
        Tensor of shape (n, n_features)
            The rows, without gradient.
        """
        raise _missing(self, "sample")

    def encode(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Latent of each row, the same at every call.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Rows.
        context : Tensor of shape (n, n_context), default=None
            As in `log_prob`.

        Returns
        -------
        Tensor of shape (n, n_latent)
            Latent rows.
        """
        raise _missing(self, "encode")

    def decode(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Row of each latent; the inverse of `encode` where that has one.

        Parameters
        ----------
        z : Tensor of shape (n, n_latent)
            Latent rows.
        context : Tensor of shape (n, n_context), default=None
            As in `log_prob`.

        Returns
        -------
        Tensor of shape (n, n_features)
            Rows.
        """
        raise _missing(self, "decode")

    def log_prob_marginal(self, x: Tensor, known: Tensor) -> Tensor:
        """Log density of what is known of each row, where `has_marginals`.

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
        raise _missing(self, "log_prob_marginal")

    def unmixed(self) -> DensityModule | None:
        """The same density as a flow that maps each column by itself.

        Returns
        -------
        Flow or None
            Where a flow maps columns one by one, that flow; where linear maps come last, onto a
            mixture of Gaussians, one onto that mixture as seen from before these. Of kernels all
            count, even for rows that they stand on. None where there is no such flow.
        """
        return None

    def own_kernel(self, x: Tensor) -> Tensor:
        """The kernel on each row itself, where `has_kernels`; -1 for none, shape (n,)."""
        raise _missing(self, "own_kernel")

    def log_prob_without(self, x: Tensor, kernel: Tensor) -> Tensor:
        """Log density of each row without one more kernel, where `has_kernels`; shape (n,)."""
        raise _missing(self, "log_prob_without")

    def loss(self, batch: Batch) -> Tensor:
        """What a training step minimises: by default minus the mean log density, in nats.

        Parameters
        ----------
        batch : tuple of (Tensor of shape (n, n_features), Tensor of shape (n,) or None)
            Rows, and their weights, which have mean one over all training rows.

        Returns
        -------
        Tensor of shape ()
            The loss.
        """
        x, weight = batch
        return -weighted_mean(self.log_prob(x), weight)

    def validation_loss(self, batch: Batch) -> Tensor:
        """What chooses the best epoch on rows held out: by default minus the mean log density.

        Parameters
        ----------
        batch : tuple of (Tensor of shape (n, n_features), Tensor of shape (n,) or None)
            As in `loss`.

        Returns
        -------
        Tensor of shape ()
            Nats, the same at every call.
        """
        x, weight = batch
        return -weighted_mean(self.log_prob(x), weight)

    def refresh(self) -> None:
        """Recompute what follows from the weights, once they have changed and before scoring.

        ``load_state_dict`` calls it by itself; whoever changes weights otherwise, as an optimiser
        does, or their dtype, calls it.
        """


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Mean of values (n,) with weights (n,) that have mean one over all rows, or without."""
    return (values if weight is None else values * weight).mean()


def _missing(module: DensityModule, method: str) -> NotImplementedError:
    return NotImplementedError(
        f"{type(module).__name__} does not implement {method}: define it in the class."
    )


def _refresh(module: DensityModule, _) -> None:
    module.refresh()

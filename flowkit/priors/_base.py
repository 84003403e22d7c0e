"""The contract of every prior: a normalised density of the latent."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, NoMarginalError, ShapeError


class Prior(nn.Module):
    """A normalised density of rows.

    Subclasses implement ``_log_prob(z)`` and ``_sample(n, generator, temperature)``, which
    multiplies deviations from centres by the temperature, a number or one of each column. Those
    that know their marginals also implement ``_log_prob_marginal(z, known)``, in which unknown
    values are zeros; rows are then scored exactly whatever values they lack, where the bijection in
    front of the prior maps each column by itself.

    Parameters
    ----------
    n_features : int
        Number of columns of a row.

    Attributes
    ----------
    has_marginals : bool
        Whether `log_prob_marginal` and `log_prob_conditional` can be asked for.
    learning_rate_factor : float
        How much faster its own parameters learn than those of networks.
    """

    # Fast enough to follow the flow in front of it; networks would break at such a rate.
    learning_rate_factor = 12.0

    def __init__(self, n_features: int):
        super().__init__()
        if n_features < 1:
            raise InvalidParameterError(f"n_features must be at least 1, got {n_features}.")
        self.n_features = n_features

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density of each row.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n,)
            Log density in nats.

        Raises
        ------
        ShapeError
            If `z` has another shape.
        """
        self._check(z)
        return self._log_prob(z)

    @property
    def has_marginals(self) -> bool:
        lineage = type(self).__mro__
        density, marginal = (
            next(i for i, cls in enumerate(lineage) if name in vars(cls))
            for name in ("_log_prob", "_log_prob_marginal")
        )
        # A subclass with a density of its own need not have the marginals that it inherits.
        return lineage[marginal] is not Prior and marginal <= density

    def log_prob_marginal(self, z: Tensor, known: Tensor) -> Tensor:
        """Log density of what is known of each row, the rest integrated out.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows; unknown values have no effect and may be NaN.
        known : Tensor of bool of shape (n, n_features)
            Which values are known.

        Returns
        -------
        Tensor of shape (n,)
            Log density in nats; 0 where nothing is known.

        Raises
        ------
        NoMarginalError
            If the prior has no marginals in closed form: `has_marginals` is False.
        ShapeError
            If `z` or `known` has another shape.
        """
        self._check(z)
        self._check(known)
        if not self.has_marginals:
            raise NoMarginalError(
                f"{type(self).__name__} has no marginals in closed form: ask has_marginals first, "
                "and integrate by draws where it is False."
            )
        marginal = self._log_prob_marginal(torch.where(known, z, 0.0), known)
        return torch.where(known.any(1), marginal, 0.0)

    def log_prob_conditional(self, z: Tensor, known: Tensor) -> Tensor:
        """Log density of the rest of each row given what is known of it.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.
        known : Tensor of bool of shape (n, n_features)
            Which values are given.

        Returns
        -------
        Tensor of shape (n,)
            Log density in nats; 0 where all is given.

        Raises
        ------
        NoMarginalError
            If the prior has no marginals in closed form: `has_marginals` is False.
        ShapeError
            If `z` or `known` has another shape.
        """
        conditional = self.log_prob(z) - self.log_prob_marginal(z, known)
        return torch.where(known.all(1), 0.0, conditional)

    def log_prob_by_column(self, z: Tensor) -> Tensor:
        """Share of each column in `log_prob`.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows.

        Returns
        -------
        Tensor of shape (n, n_features)
            Nats; rows sum to `log_prob`. Where columns are independent, the log density of each;
            columns that depend on each other have equal shares.
        """
        even = self.log_prob(z)[:, None] / self.n_features
        return even.expand_as(z)

    def marginal(self, columns: Tensor) -> Prior:
        """Prior of some of the columns, as a prior of its own.

        Parameters
        ----------
        columns : Tensor of int of shape (k,)
            Which, in increasing order.

        Returns
        -------
        Prior
            Prior of `k` columns, a copy.

        Raises
        ------
        InvalidParameterError
            If only some columns are asked for of a prior that takes all or none.
        """
        if len(columns) < self.n_features:
            raise InvalidParameterError(
                f"{len(columns)} of the {self.n_features} columns of {type(self).__name__} have "
                "no marginal of their own; take all or none of them."
            )
        return copy.deepcopy(self)

    def _check(self, rows: Tensor) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise ShapeError(
                f"{type(self).__name__} expects rows of shape (n, {self.n_features}), "
                f"got {tuple(rows.shape)}."
            )

    def sample(
        self,
        n: int,
        generator: torch.Generator | None = None,
        temperature: float | Tensor = 1.0,
    ) -> Tensor:
        """Draw rows.

        Parameters
        ----------
        n : int
            Number of rows.
        generator : torch.Generator, optional
            Source of randomness; torch's global one by default.
        temperature : float or Tensor of shape (n_features,), default=1.0
            What standard deviations are multiplied by, of all columns or of each: those around the
            location, or around the centre of the component that is drawn. With zero all rows are
            centres.

        Returns
        -------
        Tensor of shape (n, n_features)
            The draws, of the density only at a temperature of one.
        """
        with torch.no_grad():
            return self._sample(n, generator, temperature)

    def _log_prob(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def _log_prob_marginal(self, z: Tensor, known: Tensor) -> Tensor:
        raise NotImplementedError

    def _sample(
        self, n: int, generator: torch.Generator | None, temperature: float | Tensor
    ) -> Tensor:
        raise NotImplementedError

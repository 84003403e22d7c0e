"""The contract of every prior: a normalised density of the latent."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, NoMarginalError, ShapeError
from .column_law import ColumnLaw


class Prior(nn.Module):
    """A normalised density of rows.

    Subclasses implement ``_log_prob(z)`` and ``_sample(n, generator, temperature)``, which
    multiplies deviations from centres by the temperature, a number or one of each column. Those
    that know their marginals also implement ``_log_prob_marginal(z, known)``, in which unknown
    values are zeros; rows are then scored exactly whatever values they lack, where the bijection in
    front of the prior maps each column by itself. With ``_law_given(z, known, column)`` they can be
    drawn and have quantiles, given what is known of them. A prior that is a mixture of Gaussians
    says so by ``_gaussians()``, and then knows itself behind linear maps, too.

    Parameters
    ----------
    n_features : int
        Number of columns of a row.

    Attributes
    ----------
    has_marginals : bool
        Whether `log_prob_marginal` and `log_prob_conditional` can be asked for.
    has_conditionals : bool
        Whether `law_given` can be asked for, too.
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
        return self._knows("_log_prob_marginal")

    @property
    def has_conditionals(self) -> bool:
        return self.has_marginals and self._knows("_law_given")

    def _knows(self, method: str) -> bool:
        lineage = type(self).__mro__
        density, own = (
            next(i for i, cls in enumerate(lineage) if name in vars(cls))
            for name in ("_log_prob", method)
        )
        # A subclass with a density of its own need not have the marginals that it inherits.
        return lineage[own] is not Prior and own <= density

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

    def law_given(self, z: Tensor, known: Tensor, column: int) -> ColumnLaw:
        """Law of one unknown column given what is known of each row, the rest integrated out.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent rows; unknown values have no effect and may be NaN.
        known : Tensor of bool of shape (n, n_features)
            Which values are given; none of the column.
        column : int
            Which column.

        Returns
        -------
        ColumnLaw
            A law for each row. Where what is given is so far off that no density is left, as if
            nothing were.

        Raises
        ------
        InvalidParameterError
            If the column is given.
        NoMarginalError
            If the prior does not know it: `has_conditionals` is False.
        ShapeError
            If `z` or `known` has another shape.
        """
        self._check(z)
        self._check(known)
        if known[:, column].any():
            raise InvalidParameterError(f"column {column} is given, so it has no law of its own.")
        if not self.has_conditionals:
            raise NoMarginalError(
                f"{type(self).__name__} has no conditionals in closed form: ask has_conditionals "
                "first, and integrate by draws where it is False."
            )
        return self._law_given(torch.where(known, z, 0.0), known, column)

    def gaussians(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """The Gaussians that this prior is a mixture of.

        Returns
        -------
        tuple of Tensor, or None
            Log weights (k,), means (k, n_features) and factors P of the precision matrices
            ``P P^T``, of shape (k, n_features, n_features) or, where all have the same,
            (1, n_features, n_features). None if it is no such mixture.
        """
        return self._gaussians() if self._knows("_gaussians") else None

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

    def _law_given(self, z: Tensor, known: Tensor, column: int) -> ColumnLaw:
        raise NotImplementedError

    def _gaussians(self) -> tuple[Tensor, Tensor, Tensor]:
        raise NotImplementedError

    def _sample(
        self, n: int, generator: torch.Generator | None, temperature: float | Tensor
    ) -> Tensor:
        raise NotImplementedError

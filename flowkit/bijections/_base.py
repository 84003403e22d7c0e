"""The contract of every bijection, checked once here so that subclasses hold only maths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, MixedColumnsError, ShapeError


class Bijection(nn.Module):
    """An invertible map of rows with a known Jacobian determinant.

    Subclasses implement ``_forward(x, context)`` and ``_inverse(z, context)``, each returning the
    mapped rows ``(n, n_features)`` and the log absolute determinant ``(n,)`` of its own direction.

    Parameters
    ----------
    n_features : int
        Number of columns of a row.
    n_context : int, default=0
        Number of columns of the context; 0 for an unconditional bijection, which then ignores
        any context that it is given.

    Attributes
    ----------
    is_elementwise : bool
        Whether each column is mapped by itself, so that `forward_by_column` gives its slope:
        `Elementwise` bijections, and `Inverse` and `Compose` of these.
    """

    is_elementwise = False

    def __init__(self, n_features: int, n_context: int = 0):
        super().__init__()
        if n_features < 1:
            raise InvalidParameterError(f"n_features must be at least 1, got {n_features}.")
        if n_context < 0:
            raise InvalidParameterError(f"n_context must be at least 0, got {n_context}.")
        self.n_features = n_features
        self.n_context = n_context

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data to latent.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Data.
        context : Tensor of shape (n, n_context), optional
            What the map is conditioned on.

        Returns
        -------
        z : Tensor of shape (n, n_features)
            Latent.
        log_det : Tensor of shape (n,)
            ``log|det dz/dx|`` in nats.

        Raises
        ------
        ShapeError
            If `x` or `context` has another shape than the one stated.
        """
        self._check(x, context)
        return self._forward(x, context)

    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map latent to data.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent.
        context : Tensor of shape (n, n_context), optional
            What the map is conditioned on.

        Returns
        -------
        x : Tensor of shape (n, n_features)
            Data.
        log_det : Tensor of shape (n,)
            ``log|det dx/dz|`` in nats.

        Raises
        ------
        ShapeError
            If `z` or `context` has another shape than the one stated.
        """
        self._check(z, context)
        return self._inverse(z, context)

    def forward_by_column(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data to latent where `is_elementwise`, with the slope of each column.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Data.
        context : Tensor of shape (n, n_context), optional
            What the map is conditioned on.

        Returns
        -------
        z : Tensor of shape (n, n_features)
            Latent.
        log_slope : Tensor of shape (n, n_features)
            ``log|dz_j/dx_j|`` in nats; rows sum to the log-determinant.

        Raises
        ------
        MixedColumnsError
            If the map mixes columns.
        ShapeError
            If `x` or `context` has another shape than the one stated.
        """
        self._check(x, context)
        return self._forward_by_column(x, context)

    def inverse_by_column(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map latent to data where `is_elementwise`, with the slope of each column.

        Parameters
        ----------
        z : Tensor of shape (n, n_features)
            Latent.
        context : Tensor of shape (n, n_context), optional
            What the map is conditioned on.

        Returns
        -------
        x : Tensor of shape (n, n_features)
            Data.
        log_slope : Tensor of shape (n, n_features)
            ``log|dx_j/dz_j|`` in nats; rows sum to the log-determinant.

        Raises
        ------
        MixedColumnsError
            If the map mixes columns.
        ShapeError
            If `z` or `context` has another shape than the one stated.
        """
        self._check(z, context)
        return self._inverse_by_column(z, context)

    def _check(self, x: Tensor, context: Tensor | None) -> None:
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise ShapeError(
                f"{type(self).__name__} expects rows of shape (n, {self.n_features}), "
                f"got {tuple(x.shape)}."
            )
        if self.n_context and (context is None or context.shape != (x.shape[0], self.n_context)):
            got = None if context is None else tuple(context.shape)
            raise ShapeError(
                f"{type(self).__name__} expects a context of shape "
                f"({x.shape[0]}, {self.n_context}), got {got}."
            )

    def _forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _inverse(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _forward_by_column(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        raise MixedColumnsError(
            f"{type(self).__name__} mixes columns, so they have no slopes of their own: ask "
            "is_elementwise first."
        )

    _inverse_by_column = _forward_by_column


class Elementwise(Bijection):
    """A bijection that maps each column by itself.

    Subclasses implement ``_forward_by_column(x, context)`` and ``_inverse_by_column(z, context)``,
    each returning the mapped rows and the log absolute slope of each value in its own direction,
    both ``(n, n_features)``; ``-inf`` where a value lies outside the domain. Log-determinants are
    their sums.

    Parameters
    ----------
    n_features : int
        Number of columns of a row.
    n_context : int, default=0
        Number of columns of the context; 0 for an unconditional bijection.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import Elementwise
    >>> class Double(Elementwise):
    ...     def _forward_by_column(self, x, context):
    ...         return 2 * x, torch.full_like(x, 2.0).log()
    ...
    ...     def _inverse_by_column(self, z, context):
    ...         return z / 2, torch.full_like(z, 0.5).log()
    >>> Double(3)(torch.ones(1, 3))
    (tensor([[2., 2., 2.]]), tensor([2.0794]))
    """

    @property
    def is_elementwise(self):
        # One with a map of its own need not have the slopes that it inherits.
        return type(self)._forward is Elementwise._forward

    def _forward(self, x, context):
        z, log_slope = self._forward_by_column(x, context)
        return z, log_slope.sum(1)

    def _inverse(self, z, context):
        x, log_slope = self._inverse_by_column(z, context)
        return x, log_slope.sum(1)

    def _forward_by_column(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def _inverse_by_column(self, z: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class Compose(Bijection):
    """Bijections applied one after the other, the first one to the data.

    Parameters
    ----------
    bijections : sequence of Bijection
        At least one, all of the same number of features.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import Compose, ElementwiseAffine, Permutation
    >>> flow = Compose([ElementwiseAffine(3), Permutation(3)])
    >>> z, log_det = flow(torch.tensor([[1.0, 2.0, 3.0]]))
    >>> z
    tensor([[3., 2., 1.]], grad_fn=<IndexSelectBackward0>)
    """

    def __init__(self, bijections: Sequence[Bijection]):
        bijections = list(bijections)
        if not bijections:
            raise InvalidParameterError("Compose needs at least one bijection, got none.")
        widths = [b.n_features for b in bijections]
        if len(set(widths)) > 1:
            raise InvalidParameterError(
                f"Compose needs bijections of one number of features, got {widths}."
            )
        contexts = {b.n_context for b in bijections} - {0}
        if len(contexts) > 1:
            raise InvalidParameterError(
                f"Compose needs bijections of one context size, got {sorted(contexts)}."
            )
        super().__init__(widths[0], max(contexts, default=0))
        self.bijections = nn.ModuleList(bijections)

    def _forward(self, x, context):
        total = 0.0
        for bijection in self.bijections:
            x, log_det = bijection(x, context)
            total = total + log_det
        return x, total

    def _inverse(self, z, context):
        total = 0.0
        for bijection in reversed(self.bijections):
            z, log_det = bijection.inverse(z, context)
            total = total + log_det
        return z, total

    @property
    def is_elementwise(self):
        return all(bijection.is_elementwise for bijection in self.bijections)

    def _forward_by_column(self, x, context):
        total = 0.0
        for bijection in self.bijections:
            x, log_slope = bijection.forward_by_column(x, context)
            total = total + log_slope
        return x, total

    def _inverse_by_column(self, z, context):
        total = 0.0
        for bijection in reversed(self.bijections):
            z, log_slope = bijection.inverse_by_column(z, context)
            total = total + log_slope
        return z, total


class Inverse(Bijection):
    """A bijection run backwards.

    Parameters
    ----------
    bijection : Bijection
        The one to turn round.
    """

    def __init__(self, bijection: Bijection):
        super().__init__(bijection.n_features, bijection.n_context)
        self.bijection = bijection

    def _forward(self, x, context):
        return self.bijection.inverse(x, context)

    def _inverse(self, z, context):
        return self.bijection(z, context)

    @property
    def is_elementwise(self):
        return self.bijection.is_elementwise

    def _forward_by_column(self, x, context):
        return self.bijection.inverse_by_column(x, context)

    def _inverse_by_column(self, z, context):
        return self.bijection.forward_by_column(z, context)


def zero_log_det(x: Tensor) -> Tensor:
    """Log-determinant of a map that keeps volumes."""
    return torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)

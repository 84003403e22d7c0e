"""The contract of every bijection, checked once here so that subclasses hold only maths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError, ShapeError


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
    """

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


def zero_log_det(x: Tensor) -> Tensor:
    """Log-determinant of a map that keeps volumes."""
    return torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)

"""The contract of every bijection, checked once here so that subclasses hold only maths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._compiled import applies_to
from ..exceptions import InvalidParameterError, MixedColumnsError, ShapeError
from ._fused_chain import FusedStep, run
from ._log_det_tree import Node, leaf_nodes, mixing_node

# Methods that say what a bijection maps to.
_MAPS = {"_forward", "_inverse", "_forward_by_column", "_inverse_by_column", "_couple", "_shares"}


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
    is_linear : bool
        Whether it is a matrix and a shift, the same for all rows, that mix columns.
    nodes : tuple of Node
        Where the log-determinant arises, in the order of the columns of `log_det_tree`: one node
        for each column where these are mapped one by one, one node for all where they are mixed.
        Fractal bijections have the nodes of their tree.
    learning_rate_factor : float
        How much faster its own parameters learn than those of networks.
    """

    learning_rate_factor = 1.0

    is_elementwise = False
    is_linear = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # Steps that are inherited belong to the map that is inherited.
        if "fused_steps" not in vars(cls) and _MAPS & vars(cls).keys():
            cls.fused_steps = Bijection.fused_steps

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
        if applies_to(x) and (steps := self.fused_steps()) is not None:
            return run(steps, x)
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

    def fused_steps(self) -> list[FusedStep] | None:
        """`forward` as steps that know their gradients; None where there are none for it."""
        return None

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

    @property
    def nodes(self) -> tuple[Node, ...]:
        if self.is_elementwise:
            return leaf_nodes(self.n_features)
        return (mixing_node(self.n_features),)

    def forward_by_node(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data to latent, with the share of each of `nodes` in the log-determinant.

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
        shares : Tensor of shape (n, n_nodes)
            Nats; rows sum to the log-determinant.

        Raises
        ------
        ShapeError
            If `x` or `context` has another shape than the one stated.
        """
        self._check(x, context)
        return self._forward_by_node(x, context)

    def log_det_tree(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Share of each of `nodes` in the log-determinant of `forward`.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            Data.
        context : Tensor of shape (n, n_context), optional
            What the map is conditioned on.

        Returns
        -------
        Tensor of shape (n, n_nodes)
            Nats, in the order of `nodes`; rows sum to the log-determinant.
        """
        return self.forward_by_node(x, context)[1]

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

    def _forward_by_node(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.is_elementwise:
            return self._forward_by_column(x, context)
        z, log_det = self._forward(x, context)
        return z, log_det[:, None]


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
        # A subclass with a map of its own need not have the slopes that it inherits.
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


def zero_log_det(x: Tensor) -> Tensor:
    """Log-determinant of a map that keeps volumes, zeros of shape (n,)."""
    return torch.zeros(x.shape[0], dtype=x.dtype, device=x.device)

"""Masked autoregressive bijections: the columns before steer a univariate map of each column."""

from __future__ import annotations

import torch

from ..nets import MADE
from ._base import Bijection
from ._univariate import Affine, RationalQuadraticSpline


class Autoregressive(Bijection):
    """Each column is mapped by parameters that depend on the columns before it.

    `forward` costs one pass of the network, `inverse` one pass per column.

    Parameters
    ----------
    n_features : int
        Number of columns.
    univariate : Affine or RationalQuadraticSpline
        The map of one number.
    n_context : int, default=0
        Number of context columns that steer the map too.
    hidden_units, n_hidden_layers, dropout, generator
        Of the network, as in `flowkit.nets.MADE`.
    """

    def __init__(
        self,
        n_features: int,
        univariate,
        n_context: int = 0,
        *,
        hidden_units: int = 128,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__(n_features, n_context)
        self.univariate = univariate
        self.net = MADE(
            n_features,
            univariate.n_parameters,
            n_context=n_context,
            hidden_units=hidden_units,
            n_hidden_layers=n_hidden_layers,
            dropout=dropout,
            generator=generator,
        )

    def _parameters_for(self, x, context):
        context = context if self.n_context else None
        return self.net(x, context).t().reshape(-1, self.n_features, x.shape[0])

    def _forward(self, x, context):
        z, log_slope = self.univariate.forward(x.t(), self._parameters_for(x, context))
        return z.t(), log_slope.sum(0)

    def _inverse(self, z, context):
        # Column i is right once the columns before it are, so d passes settle all of them.
        x = torch.zeros_like(z)
        column = torch.arange(self.n_features, device=z.device)
        for i in range(self.n_features):
            parameters = self._parameters_for(x, context)[:, i : i + 1]
            value, _ = self.univariate.inverse(z[:, i : i + 1].t(), parameters)
            x = torch.where(column == i, value.t(), x)
        _, log_slope = self.univariate.inverse(z.t(), self._parameters_for(x, context))
        return x, log_slope.sum(0)


class AffineAutoregressive(Autoregressive):
    """Masked autoregressive flow (MAF) step with a bounded log-scale.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_context : int, default=0
        Number of context columns.
    max_log_scale : float, default=3.0
        Bound of the log-scale, in nats.
    **options
        ``hidden_units``, ``n_hidden_layers``, ``dropout`` and ``generator`` of the network, as in
        `flowkit.nets.MADE`.

    References
    ----------
    Papamakarios, Pavlakou, Murray, "Masked Autoregressive Flow for Density Estimation",
    NeurIPS 2017, arXiv 1705.07057.
    """

    def __init__(
        self, n_features: int, n_context: int = 0, *, max_log_scale: float = 3.0, **options
    ):
        super().__init__(n_features, Affine(max_log_scale), n_context, **options)


class SplineAutoregressive(Autoregressive):
    """Autoregressive rational-quadratic spline with linear tails.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_context : int, default=0
        Number of context columns.
    n_bins : int, default=8
        Number of bins of each spline.
    tail_bound : float, default=3.0
        Half-width of the interval that is bent; outside it the map is the identity.
    compile : bool, default=False
        Whether the spline runs through ``torch.compile`` where numba's kernels cannot: on a GPU.
    **options
        ``hidden_units``, ``n_hidden_layers``, ``dropout`` and ``generator`` of the network, as in
        `flowkit.nets.MADE`.

    References
    ----------
    Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", NeurIPS 2019, arXiv 1906.04032.
    """

    def __init__(
        self,
        n_features: int,
        n_context: int = 0,
        *,
        n_bins: int = 8,
        tail_bound: float = 3.0,
        compile: bool = False,
        **options,
    ):
        spline = RationalQuadraticSpline(n_bins, tail_bound, compile)
        super().__init__(n_features, spline, n_context, **options)

"""Coupling bijections: one half of the columns steers a univariate map of the other half."""

from __future__ import annotations

import torch
from torch import Tensor

from ..nets import ResidualMLP
from ._base import Bijection
from ._column_groups import ColumnGroups
from ._univariate import Affine, RationalQuadraticSpline


class Coupling(Bijection):
    """One half of the columns, kept, steers a univariate map of each column of the other half.

    Both directions cost one pass of the network. A single column is mapped by free parameters.

    Parameters
    ----------
    n_features : int
        Number of columns.
    univariate : Affine or RationalQuadraticSpline
        The map of one number.
    n_context : int, default=0
        Number of context columns that steer the map too.
    reverse : bool, default=False
        Whether the second half steers the first instead.
    hidden_units, n_hidden_layers, dropout, generator
        Of the network, as in `flowkit.nets.ResidualMLP`.
    """

    def __init__(
        self,
        n_features: int,
        univariate,
        n_context: int = 0,
        *,
        reverse: bool = False,
        hidden_units: int = 128,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__(n_features, n_context)
        n_kept = n_features // 2
        self.reverse = reverse
        columns = range(n_features)
        kept = columns[n_features - n_kept :] if reverse else columns[:n_kept]
        self.kept = ColumnGroups([kept])
        self.moved = ColumnGroups([[column for column in columns if column not in kept]])
        self.univariate = univariate
        self.net = ResidualMLP(
            n_kept,
            univariate.n_parameters * (n_features - n_kept),
            n_context=n_context,
            hidden_units=hidden_units,
            n_hidden_layers=n_hidden_layers,
            dropout=dropout,
            generator=generator,
        )

    def _couple(self, rows: Tensor, context: Tensor | None, inverse: bool) -> tuple[Tensor, Tensor]:
        given = context.t() if self.n_context else None
        nodes = self.kept, self.moved
        columns, log_slope = self.univariate.couple(rows.t(), given, *nodes, self.net, inverse)
        return columns.t(), log_slope[0]

    def fused_steps(self):
        step = self.univariate.fused_coupling(self.kept, self.moved, self.net)
        return None if self.n_context or step is None else [step]

    def _forward(self, x, context):
        return self._couple(x, context, False)

    def _inverse(self, z, context):
        return self._couple(z, context, True)


class AffineCoupling(Coupling):
    """Affine coupling (RealNVP) with a bounded log-scale.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_context : int, default=0
        Number of context columns.
    max_log_scale : float, default=3.0
        Bound of the log-scale, in nats.
    reverse : bool, default=False
        Whether the second half steers the first instead.
    **options
        ``hidden_units``, ``n_hidden_layers``, ``dropout`` and ``generator`` of the network, as in
        `flowkit.nets.ResidualMLP`.

    References
    ----------
    Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", ICLR 2017,
    arXiv 1605.08803.
    """

    def __init__(
        self, n_features: int, n_context: int = 0, *, max_log_scale: float = 3.0, **options
    ):
        super().__init__(n_features, Affine(max_log_scale), n_context, **options)


class SplineCoupling(Coupling):
    """Rational-quadratic spline coupling with linear tails.

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
    reverse : bool, default=False
        Whether the second half steers the first instead.
    **options
        ``hidden_units``, ``n_hidden_layers``, ``dropout`` and ``generator`` of the network, as in
        `flowkit.nets.ResidualMLP`.

    References
    ----------
    Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", NeurIPS 2019, arXiv 1906.04032.

    Examples
    --------
    >>> import torch
    >>> from flowkit.bijections import SplineCoupling
    >>> z, log_det = SplineCoupling(4)(torch.zeros(2, 4))
    >>> z.shape, log_det.shape
    (torch.Size([2, 4]), torch.Size([2]))
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

"""Monotone maps of one number: the atoms of couplings, autoregressions and element-wise maps.

Values have shape ``(d, n)`` and parameters ``(n_parameters, d, n)``, or ``(n_parameters, d, 1)``
where all rows share them: rows last, so that each parameter is one contiguous plane. All-zero
parameters give the identity.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameterError
from ._column_groups import ColumnGroups
from ._coupled_spline import CoupledSpline, FreeSpline
from ._fused_chain import FusedStep
from ._rational_quadratic import rational_quadratic
from ._spline_limits import MIN_BIN, MIN_SLOPE, SLOPE_SHIFT


class Univariate:
    """A monotone map of one number.

    Subclasses implement ``forward(x, parameters)`` and ``inverse(y, parameters)``.

    Attributes
    ----------
    n_parameters : int
        Parameters of a map.
    """

    n_parameters: int

    def couple(
        self,
        columns: Tensor,
        context: Tensor | None,
        kept: ColumnGroups,
        moved: ColumnGroups,
        net: nn.Module,
        inverse: bool,
    ) -> tuple[Tensor, Tensor]:
        """Map groups of columns by the parameters that a network makes of other groups.

        Parameters
        ----------
        columns : Tensor of shape (d, n)
            All columns.
        context : Tensor of shape (n_context, n) or None
            What steers beside the columns that are kept.
        kept, moved : ColumnGroups
            Columns that steer, and those that are mapped.
        net : Module
            Maps, by ``by_columns``, kept columns and context of each group to `n_parameters` times
            as many outputs as columns are moved.
        inverse : bool
            Which direction.

        Returns
        -------
        columns : Tensor of shape (d, n)
            With those moved replaced.
        log_slope : Tensor of shape (n_groups, n)
            Sum of the log derivatives in each group.
        """
        steer, value = kept.of(columns), moved.of(columns)
        if context is not None:
            steer = torch.cat((steer, context.expand(len(steer), -1, -1)), 1)
        parameters = net.by_columns(steer).reshape(len(value), self.n_parameters, *value.shape[1:])
        # One rank for all, so that a compiled kernel serves them all.
        parameters = parameters.transpose(0, 1).flatten(1, 2)
        run = self.inverse if inverse else self.forward
        out, log_slope = run(value.flatten(0, 1), parameters)
        return moved.put(columns, out.view(value.shape)), moved.total(log_slope.view(value.shape))

    def fused_coupling(
        self, kept: ColumnGroups, moved: ColumnGroups, net: nn.Module
    ) -> FusedStep | None:
        """`couple` forward and without a context as a step that knows its gradient, if it can be.

        Parameters
        ----------
        kept, moved, net
            As in `couple`.

        Returns
        -------
        FusedStep or None
            The step.
        """
        return None

    def fused(self, raw: Tensor) -> FusedStep | None:
        """`forward` of every column with parameters (n_parameters, d), likewise."""
        return None


class Affine(Univariate):
    """``y = exp(s) x + t`` with ``|s|`` bounded, so that no scale can vanish or explode.

    Parameters
    ----------
    max_log_scale : float, default=3.0
        Bound of the log-scale, in nats.
    """

    n_parameters = 2

    def __init__(self, max_log_scale: float = 3.0):
        if not max_log_scale > 0:
            raise InvalidParameterError(f"max_log_scale must be > 0, got {max_log_scale}.")
        self.max_log_scale = max_log_scale

    def _log_scale(self, raw: Tensor) -> Tensor:
        return self.max_log_scale * torch.tanh(raw / self.max_log_scale)

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = self._log_scale(parameters[0])
        return x * log_scale.exp() + parameters[1], log_scale.expand_as(x)

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = self._log_scale(parameters[0])
        return (y - parameters[1]) * torch.exp(-log_scale), -log_scale.expand_as(y)


class RationalQuadraticSpline(Univariate):
    """Monotone rational-quadratic spline on ``[-tail_bound, tail_bound]``, identity outside.

    Parameters
    ----------
    n_bins : int, default=8
        Number of bins.
    tail_bound : float, default=3.0
        Half-width of the interval that is bent.
    compile : bool, default=False
        Whether it runs through ``torch.compile`` where numba's kernels cannot: on a GPU.

    Attributes
    ----------
    min_bin : float
        Least width and height of a bin, as a share of the interval.
    min_slope : float
        Least slope at a knot.
    slope_shift : float
        What the parameter of a slope is moved by, so that zero is the slope of the identity.

    References
    ----------
    Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", NeurIPS 2019, arXiv 1906.04032.
    """

    min_bin, min_slope, slope_shift = MIN_BIN, MIN_SLOPE, SLOPE_SHIFT

    def __init__(self, n_bins: int = 8, tail_bound: float = 3.0, compile: bool = False):
        if not 2 <= n_bins < 1 / MIN_BIN:
            raise InvalidParameterError(
                f"n_bins must be at least 2 and less than {1 / MIN_BIN:.0f}, got {n_bins}."
            )
        if not 0 < tail_bound < math.inf:
            raise InvalidParameterError(
                f"tail_bound must be a positive finite number, got {tail_bound}."
            )
        self.n_bins = n_bins
        self.tail_bound = float(tail_bound)
        self.compile = compile
        self.n_parameters = 3 * n_bins - 1

    def forward(self, x: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(x, parameters, False)

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(y, parameters, True)

    def fused_coupling(self, kept, moved, net):
        if net.residual_layers is None:
            return None
        return CoupledSpline(kept, moved, net, self.tail_bound)

    def fused(self, raw):
        return FreeSpline(raw, self.tail_bound)

    def parameters_for(self, x: Tensor, y: Tensor) -> Tensor:
        """Parameters of the splines that pass through given interior knots.

        Parameters
        ----------
        x, y : Tensor of shape (n_bins - 1, d)
            Increasing knots within the bound; bins narrower than the minimum are widened. Slopes
            are those that let the slope of neighbouring bins change smoothly.

        Returns
        -------
        Tensor of shape (n_parameters, d)
            Unconstrained parameters.
        """
        sizes = []
        for knots in (x, y):
            edge = torch.full_like(knots[:1], self.tail_bound)
            share = torch.cat((-edge, knots, edge)).diff(dim=0) / (2 * self.tail_bound)
            share = share.clamp_min(2 * MIN_BIN)
            sizes.append(share / share.sum(0))
        width, height = sizes
        log_chord = (height / width).log()
        # Weighted by the neighbour's width: the slope at a knot follows the narrower bin.
        log_slope = (log_chord[1:] * width[:-1] + log_chord[:-1] * width[1:]) / (
            width[1:] + width[:-1]
        )
        excess = log_slope.exp().clamp_min(2 * MIN_SLOPE) - MIN_SLOPE
        inverse_softplus = excess + torch.log(-torch.expm1(-excess))
        logits = [torch.log(share - MIN_BIN) for share in sizes]
        return torch.cat((*logits, inverse_softplus - SLOPE_SHIFT))

    def _run(self, value: Tensor, parameters: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        return rational_quadratic(value, parameters, self.tail_bound, inverse, self.compile)

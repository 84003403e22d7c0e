"""Couplings by splines that a residual network steers, and splines with parameters of their own."""

from __future__ import annotations

from torch import Tensor, nn

from ..nets.residual import fused_net, fused_net_gradient
from ._column_groups import ColumnGroups
from ._fused_chain import FusedStep
from ._rational_quadratic import fused_spline, fused_spline_gradient, single_group


class CoupledSpline(FusedStep):
    """Splines of groups of columns, steered by other groups.

    Parameters
    ----------
    kept, moved : ColumnGroups
        Columns that steer, and those that are mapped.
    net : Module
        A residual network, from kept columns to the parameters of the splines.
    bound : float
        Half-width of the interval that is bent.
    """

    def __init__(self, kept: ColumnGroups, moved: ColumnGroups, net: nn.Module, bound: float):
        self.kept, self.moved, self.bound = kept, moved, bound
        self.dropout, self.parameters = net.dropout, net.residual_layers

    def forward(self, columns):
        steer, moved = self.kept.of(columns), self.moved
        if self.parameters[0].ndim == 2:
            steer = steer[0]
        raw, inputs, scale = fused_net(steer, self.parameters, self.dropout)
        n_groups, n = len(moved.groups), columns.shape[1]
        splines = raw.view(n_groups, raw.shape[-2] // moved.width, moved.width, n)
        given = columns, *moved.arrays, splines, self.bound
        out, log_slope = fused_spline(*given, False, by_column=False)
        return out, log_slope.sum(0) if n_groups > 1 else log_slope[0], (given, inputs, scale)

    def backward(self, saved, grad, grad_log_det, wants_columns):
        (columns, *groups, splines, bound), inputs, scale = saved
        given = columns, *groups, splines, grad, grad_log_det[None], bound
        by_columns, by_raw = fused_spline_gradient(*given)
        n_groups, n = len(splines), columns.shape[1]
        by_raw = by_raw.view(-1, n) if inputs[0].ndim == 2 else by_raw.view(n_groups, -1, n)
        by_steer, by_parameters = fused_net_gradient(
            by_raw, inputs, self.parameters[::2], scale, wants_columns
        )
        if wants_columns:
            by_columns.index_add_(0, self.kept.index, by_steer.view(-1, n))
        return by_columns if wants_columns else None, by_parameters


class FreeSpline(FusedStep):
    """A spline of every column.

    Parameters
    ----------
    raw : Tensor of shape (3 * n_bins - 1, d)
        Unconstrained parameters.
    bound : float
        Half-width of the interval that is bent.
    """

    def __init__(self, raw: Tensor, bound: float):
        self.parameters, self.bound = [raw], bound

    def forward(self, columns):
        (raw,) = self.parameters
        given = columns, *single_group(len(columns)), raw[None, ..., None], self.bound
        out, log_slope = fused_spline(*given, False, by_column=False)
        return out, log_slope[0], given

    def backward(self, saved, grad, grad_log_det, wants_columns):
        *given, bound = saved
        by_columns, by_raw = fused_spline_gradient(*given, grad, grad_log_det[None], bound)
        return by_columns, [by_raw[0, ..., 0]]

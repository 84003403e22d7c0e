"""Couplings by splines that a residual network steers, in one step of autograd."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..nets._residual import fused_net, fused_net_gradient
from ._column_groups import ColumnGroups
from ._rational_quadratic import fused_spline, fused_spline_gradient


def coupled_spline(
    columns: Tensor,
    context: Tensor | None,
    kept: ColumnGroups,
    moved: ColumnGroups,
    net: nn.Module,
    bound: float,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """Couple groups of columns by splines; see `Univariate.couple`, of which this is a case.

    Parameters
    ----------
    columns, context, kept, moved, net, inverse
        As in `Univariate.couple`; the network is a residual one.
    bound : float
        Half-width of the interval that is bent.

    Returns
    -------
    columns, log_slope : Tensor
        As in `Univariate.couple`.
    """
    settings = kept, moved, net.dropout, bound, inverse
    layers = net.residual_layers
    if torch.is_grad_enabled():
        return _CoupledSpline.apply(columns, context, settings, *layers)
    return _couple(columns, context, settings, layers)[:2]


def _couple(columns, context, settings, layers):
    kept, moved, dropout, bound, inverse = settings
    steer, value = kept.of(columns), moved.of(columns)
    if context is not None:
        steer = torch.cat((steer, context.expand(len(steer), -1, -1)), 1)
    flat = layers[0].ndim == 2
    raw, inputs, scale = fused_net(steer[0] if flat else steer, layers, dropout)
    parameters = raw.view(len(value), -1, *value.shape[1:])
    out, log_slope = fused_spline(value, parameters, bound, inverse)
    # Of value and result, the one on the side of the data.
    saved = out if inverse else value, parameters, *inputs
    return moved.put(columns, out), moved.total(log_slope), saved, scale


class _CoupledSpline(torch.autograd.Function):
    @staticmethod
    def forward(ctx, columns, context, settings, *layers):
        out, log_slope, saved, scale = _couple(columns, context, settings, layers)
        ctx.settings, ctx.scale = settings, scale
        ctx.save_for_backward(*saved, *layers[::2])
        return out, log_slope

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, grad_log_slope):
        kept, moved, _, bound, inverse = ctx.settings
        x, parameters, *saved = ctx.saved_tensors
        inputs, weights = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        grad_out, grad_log = moved.of(grad), moved.spread(grad_log_slope)
        if moved.ragged:
            grad_out = grad_out * moved.present
        by_value, by_raw = fused_spline_gradient(x, parameters, grad_out, grad_log, bound, inverse)
        by_raw = by_raw.view(-1, x.shape[2]) if weights[0].ndim == 2 else by_raw.flatten(1, 2)
        wants_columns, wants_context = ctx.needs_input_grad[:2]
        by_steer, by_layers = fused_net_gradient(
            by_raw, inputs, weights, ctx.scale, wants_columns or wants_context
        )
        by_columns = by_context = None
        if by_steer is not None:
            by_steer = by_steer.view(len(x), -1, x.shape[2])
        if wants_columns:
            by_columns = moved.put(grad, by_value)
            by_kept = by_steer[:, : kept.width].reshape(-1, x.shape[2])
            by_columns = by_columns.index_add_(0, kept.index, by_kept)
        if wants_context:
            by_context = by_steer[:, kept.width :].sum(0)
        return by_columns, by_context, None, *by_layers

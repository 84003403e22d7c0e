"""The rational-quadratic spline kernel, with its gradient by hand: the hot path of spline flows.

Values are ``(d, n)``, unconstrained parameters ``(3 * n_bins - 1, d, n)``, or ``(.., d, 1)`` where
rows share them: widths, heights and interior slopes, each bin one contiguous plane. Autograd would
walk through some forty nodes a spline; the closed form needs one. On the CPU it runs in one
compiled pass where numba is installed, elsewhere by the tensor operations of this file.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .._compiled import applies_to, array_of, is_plain
from .._once_differentiable import once_differentiable
from ._spline_limits import MIN_BIN, MIN_SLOPE, SLOPE_SHIFT


def rational_quadratic(
    value: Tensor, parameters: Tensor, bound: float, inverse: bool, compile: bool
) -> tuple[Tensor, Tensor]:
    """Monotone splines, element by element; the identity outside ``[-bound, bound]``.

    Parameters
    ----------
    value : Tensor of shape (d, n) or (.., d, n)
        Where to evaluate.
    parameters : Tensor of shape (3 * n_bins - 1, .., d, n) or (3 * n_bins - 1, .., d, 1)
        Unconstrained parameters, of every row or shared by the rows; zeros give the identity.
    bound : float
        Half-width of the interval.
    inverse : bool
        Which direction.
    compile : bool
        Whether tensor operations run through ``torch.compile``.

    Returns
    -------
    out, log_slope : Tensor of the shape of `value`
        Result and log derivative of this direction.
    """
    trained = torch.is_grad_enabled() and (value.requires_grad or parameters.requires_grad)
    if applies_to(value):
        shape, d = value.shape, math.prod(value.shape[:-1])
        columns = value.contiguous().view(d, shape[-1])
        parameters = parameters.contiguous().view(1, len(parameters), d, parameters.shape[-1])
        run = _FusedSpline.apply if trained else fused_spline
        out, log_slope = run(columns, *single_group(d), parameters, bound, inverse)
        return out.view(shape), log_slope.view(shape)
    if trained and is_plain():
        return _Spline.apply(value, parameters, bound, inverse, compile)
    evaluate = _kernels(compile)[0]
    return evaluate(value, parameters, _matrix_for(value, parameters, bound), bound, inverse)


def fused_spline(
    columns: Tensor,
    index: np.ndarray,
    present: np.ndarray,
    parameters: Tensor,
    bound: float,
    inverse: bool,
    by_column: bool = True,
) -> tuple[Tensor, Tensor]:
    """Splines of groups of columns in one compiled pass, without a gradient.

    Parameters
    ----------
    columns, index, present, parameters, bound, inverse, by_column
        As in `_fused_spline.evaluate`, without gaps in memory.

    Returns
    -------
    columns : Tensor of shape (d, n)
        With those of the groups mapped.
    log_slope : Tensor of shape (n_groups * width, n) or (n_groups, n)
        Log derivatives of each column, or their sums over groups.
    """
    from ._fused_spline import evaluate

    n_slopes = index.size if by_column else len(index)
    out, log_slope = torch.empty_like(columns), columns.new_zeros(n_slopes, columns.shape[1])
    given = array_of(columns), index, present, array_of(parameters)
    evaluate(*given, bound, inverse, by_column, array_of(out), array_of(log_slope))
    return out, log_slope


def fused_spline_gradient(
    columns: Tensor,
    index: np.ndarray,
    present: np.ndarray,
    parameters: Tensor,
    grad: Tensor,
    grad_log_slope: Tensor,
    bound: float,
    inverse: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gradient of `fused_spline` by columns and parameters.

    Parameters
    ----------
    columns, index, present, parameters, grad, grad_log_slope, bound, inverse
        As in `_fused_spline.differentiate`.

    Returns
    -------
    by_columns, by_parameters : Tensor
        Of the shapes of columns and parameters.
    """
    from ._fused_spline import differentiate

    given = array_of(columns), index, present, array_of(parameters)
    results = array_of(grad.contiguous()), array_of(grad_log_slope.contiguous())
    grads = torch.empty_like(columns), torch.empty_like(parameters)
    differentiate(*given, *results, bound, inverse, *map(array_of, grads))
    return grads


def single_group(d: int) -> tuple[np.ndarray, np.ndarray]:
    """All columns as one group: `index` and `present` of it."""
    return np.arange(d)[None], np.ones((1, d), dtype=np.uint8)


class _FusedSpline(torch.autograd.Function):
    @staticmethod
    def forward(ctx, columns, index, present, parameters, bound, inverse):
        out, log_slope = fused_spline(columns, index, present, parameters, bound, inverse)
        ctx.save_for_backward(out if inverse else columns, parameters)
        ctx.settings = index, present, bound, inverse
        return out, log_slope

    @staticmethod
    @once_differentiable
    def backward(ctx, grad, grad_log_slope):
        (columns, parameters), (*groups, bound, inverse) = ctx.saved_tensors, ctx.settings
        by_columns, by_parameters = fused_spline_gradient(
            columns, *groups, parameters, grad, grad_log_slope, bound, inverse
        )
        return by_columns, None, None, by_parameters, None, None


class _Spline(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value, parameters, bound, inverse, compile):
        forward = _kernels(compile)[1]
        matrix = _matrix_for(value, parameters, bound)
        out, log_slope, *kept = forward(value, parameters, matrix, bound, inverse)
        # Of value and result, the one on the side of the data.
        ctx.save_for_backward(out if inverse else value, matrix, *kept)
        ctx.settings = bound, inverse, compile
        return out, log_slope

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out, grad_log_slope):
        bound, inverse, compile = ctx.settings
        backward = _kernels(compile)[2]
        grads = backward(grad_out, grad_log_slope, *ctx.saved_tensors, bound, inverse)
        return *grads, None, None, None


@functools.cache
def _kernels(compile: bool):
    kernels = (_evaluate, _forward, _backward)
    return tuple(torch.compile(k) for k in kernels) if compile else kernels


def _matrix_for(value: Tensor, parameters: Tensor, bound: float) -> Tensor:
    n_bins = (parameters.shape[0] + 1) // 3
    return _knot_matrix(n_bins, bound, value.dtype, value.device)


@functools.lru_cache(maxsize=64)
def _knot_matrix(n_bins: int, bound: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Matrix that sends bin probabilities to knot positions, minimum bin size included."""
    # An inference tensor in the cache could not take part in a later backward pass.
    with torch.inference_mode(False):
        index = torch.arange(n_bins + 1, dtype=torch.float64)[:, None]
        below = (torch.arange(n_bins) < index).double()
        knots = index * MIN_BIN + (1 - n_bins * MIN_BIN) * below
        return (2 * bound * knots - bound).to(dtype=dtype, device=device)


def _forward(
    value: Tensor, parameters: Tensor, matrix: Tensor, bound: float, inverse: bool
) -> tuple[Tensor, ...]:
    n_bins = matrix.shape[1]
    clamped = value.clamp(-bound, bound)
    own = parameters.shape[1:]
    sizes = parameters[: 2 * n_bins].reshape(2, n_bins, *own).softmax(1)
    knots = torch.matmul(matrix, sizes.view(2, n_bins, -1)).view(2, n_bins + 1, *own)
    index = (clamped >= knots[1 if inverse else 0, 1:-1]).sum(0)
    pair = torch.stack((index, index + 1))
    near = knots.expand(2, n_bins + 1, *value.shape).gather(1, pair.expand(2, *pair.shape))
    (x0, x1), (y0, y1) = near.unbind()
    edge = torch.zeros_like(parameters[:1])
    raw = torch.cat((edge, parameters[2 * n_bins :], edge))
    raw = raw.expand(n_bins + 1, *value.shape).gather(0, pair)
    slope0, slope1 = (F.softplus(raw + SLOPE_SHIFT) + MIN_SLOPE).unbind()

    width, height = x1 - x0, y1 - y0
    chord = height / width
    bend = slope0 + slope1 - 2 * chord
    if inverse:
        rise = clamped - y0
        a = height * (chord - slope0) + rise * bend
        b = height * slope0 - rise * bend
        c = -chord * rise
        # Rounding can push the discriminant of a root at a knot below zero.
        root = (b * b - 4 * a * c).clamp_min(0).sqrt()
        t = 2 * c / (-b - root)
        out = x0 + width * t
    else:
        t = (clamped - x0) / width
    bump = t * (1 - t)
    below = chord + bend * bump
    if not inverse:
        out = y0 + height * (chord * t * t + slope0 * bump) / below
    above = slope1 * t * t + 2 * chord * bump + slope0 * (1 - t) ** 2
    log_slope = torch.log(chord * chord * above / (below * below))

    inside = clamped == value
    out = torch.where(inside, out, value)
    log_slope = torch.where(inside, -log_slope if inverse else log_slope, 0.0)
    return out, log_slope, sizes, pair, near, raw


def _evaluate(
    value: Tensor, parameters: Tensor, matrix: Tensor, bound: float, inverse: bool
) -> tuple[Tensor, ...]:
    """`_forward` alone: compiled, it need not write what only the gradient reads."""
    return _forward(value, parameters, matrix, bound, inverse)[:2]


def _backward(
    grad_out: Tensor,
    grad_log_slope: Tensor,
    x: Tensor,
    matrix: Tensor,
    sizes: Tensor,
    pair: Tensor,
    near: Tensor,
    raw: Tensor,
    bound: float,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    n_bins = matrix.shape[1]
    (x0, x1), (y0, y1) = near.unbind()
    slope0, slope1 = (F.softplus(raw + SLOPE_SHIFT) + MIN_SLOPE).unbind()
    inside = x.abs() <= bound

    width, height = x1 - x0, y1 - y0
    chord = height / width
    bend = slope0 + slope1 - 2 * chord
    t = torch.where(inside, (x - x0) / width, 0.5)
    rest, tt = 1 - t, t * t
    bump = t * rest
    below = chord + bend * bump
    above = slope1 * tt + 2 * chord * bump + slope0 * rest * rest
    ratio = (chord * tt + slope0 * bump) / below
    log_slope_by_t = (
        2 * (slope1 * t + chord * (rest - t) - slope0 * rest) / above
        - 2 * bend * (rest - t) / below
    )
    slope = chord * chord * above / (below * below)

    if inverse:
        # x solves y(x) = value, so its derivatives are those of y, divided by -slope.
        reaching_x = grad_out - grad_log_slope * log_slope_by_t / width
        grad_value = torch.where(inside, reaching_x / slope, grad_out)
        grad_y, grad_log = -grad_value, -grad_log_slope
    else:
        grad_y, grad_log = grad_out, grad_log_slope
    grad_y, grad_log = torch.where(inside, grad_y, 0.0), torch.where(inside, grad_log, 0.0)

    scaled = grad_y * height / below
    by_below = 2 * grad_log / below
    by_above = grad_log / above
    by_t = grad_y * width * slope + grad_log * log_slope_by_t
    by_chord = (
        scaled * (tt - ratio * (1 - 2 * bump))
        + 2 * grad_log / chord
        + 2 * bump * by_above
        - (1 - 2 * bump) * by_below
    )
    by_slope0 = bump * (scaled * (1 - ratio) - by_below) + rest * rest * by_above
    by_slope1 = tt * by_above - bump * (scaled * ratio + by_below)
    if not inverse:
        grad_value = torch.where(inside, by_t / width, grad_out)

    by_width = -(by_chord * chord + by_t * t) / width
    by_height = grad_y * ratio + by_chord / width
    by_near = torch.stack((-by_t / width - by_width, by_width, grad_y - by_height, by_height))
    by_knots = near.new_zeros(2, n_bins + 1, *x.shape)
    by_knots = by_knots.scatter(1, pair.expand(2, *pair.shape), by_near.view_as(near))
    if by_knots.shape[2:] != sizes.shape[2:]:
        by_knots = by_knots.sum(-1, keepdim=True)
    by_sizes = torch.matmul(matrix.t(), by_knots.view(2, n_bins + 1, -1)).view_as(sizes)
    by_sizes = torch._softmax_backward_data(by_sizes, sizes, 1, sizes.dtype)
    by_raw = torch.stack((by_slope0, by_slope1)) * torch.sigmoid(raw + SLOPE_SHIFT)
    by_slopes = near.new_zeros(n_bins + 1, *x.shape).scatter(0, pair, by_raw)
    if by_slopes.shape[1:] != sizes.shape[2:]:
        by_slopes = by_slopes.sum(-1, keepdim=True)
    grad_parameters = torch.cat((by_sizes.view(2 * n_bins, *sizes.shape[2:]), by_slopes[1:-1]))
    return grad_value, grad_parameters

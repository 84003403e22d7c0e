"""Monotone maps of one number: the atoms of couplings, autoregressions and element-wise maps.

Values have shape ``(d, n)`` and parameters ``(n_parameters, d, n)``: rows last, so that each
parameter is one contiguous plane. All-zero parameters give the identity.
"""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exceptions import InvalidParameterError


_MIN_BIN = 1e-3
_MIN_SLOPE = 1e-3
# softplus(_SLOPE_SHIFT) + _MIN_SLOPE == 1, the slope of the identity.
_SLOPE_SHIFT = math.log(math.expm1(1.0 - _MIN_SLOPE))


class Affine:
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
        return x * log_scale.exp() + parameters[1], log_scale

    def inverse(self, y: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = self._log_scale(parameters[0])
        return (y - parameters[1]) * torch.exp(-log_scale), -log_scale


class RationalQuadraticSpline:
    """Monotone rational-quadratic spline on ``[-tail_bound, tail_bound]``, identity outside.

    Parameters
    ----------
    n_bins : int, default=8
        Number of bins.
    tail_bound : float, default=3.0
        Half-width of the interval that is bent.
    compile : bool, default=False
        Whether to run the kernel through ``torch.compile``.

    References
    ----------
    Durkan, Bekasov, Murray, Papamakarios, "Neural Spline Flows", NeurIPS 2019, arXiv 1906.04032.
    """

    def __init__(self, n_bins: int = 8, tail_bound: float = 3.0, compile: bool = False):
        if not 2 <= n_bins < 1 / _MIN_BIN:
            raise InvalidParameterError(
                f"n_bins must be at least 2 and less than {1 / _MIN_BIN:.0f}, got {n_bins}."
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

    def _run(self, value: Tensor, parameters: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        matrix = _knot_matrix(self.n_bins, self.tail_bound, value.dtype, value.device)
        kernel = _compiled_kernel() if self.compile else _rational_quadratic
        return kernel(value, parameters, matrix, self.tail_bound, inverse)


@functools.lru_cache(maxsize=64)
def _knot_matrix(n_bins: int, bound: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Matrix that sends bin probabilities to knot positions, minimum bin size included."""
    # An inference tensor in the cache could not take part in a later backward pass.
    with torch.inference_mode(False):
        index = torch.arange(n_bins + 1, dtype=torch.float64)[:, None]
        below = (torch.arange(n_bins) < index).double()
        knots = index * _MIN_BIN + (1 - n_bins * _MIN_BIN) * below
        return (2 * bound * knots - bound).to(dtype=dtype, device=device)


@functools.cache
def _compiled_kernel():
    return torch.compile(_rational_quadratic, dynamic=True)


def _rational_quadratic(
    value: Tensor, parameters: Tensor, matrix: Tensor, bound: float, inverse: bool
) -> tuple[Tensor, Tensor]:
    n_bins = matrix.shape[1]
    d, n = value.shape
    clamped = value.clamp(-bound, bound)
    sizes, slopes = parameters.split((2 * n_bins, n_bins - 1))
    sizes = sizes.reshape(2, n_bins, d * n).softmax(1)
    knots = torch.matmul(matrix, sizes).view(2, n_bins + 1, d, n)

    searched = knots[1 if inverse else 0, 1:-1].detach()
    index = (clamped >= searched).sum(0)
    index = torch.stack((index, index + 1))
    (x0, x1), (y0, y1) = knots.gather(1, index.expand(2, 2, d, n)).unbind()
    edge = torch.zeros_like(slopes[:1])
    slope0, slope1 = (
        F.softplus(torch.cat((edge, slopes, edge)).gather(0, index) + _SLOPE_SHIFT) + _MIN_SLOPE
    ).unbind()

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
    denominator = chord + bend * bump
    if not inverse:
        out = y0 + height * (chord * t * t + slope0 * bump) / denominator
    slope = slope1 * t * t + 2 * chord * bump + slope0 * (1 - t) ** 2
    log_slope = torch.log(chord * chord * slope) - 2 * torch.log(denominator)

    inside = clamped == value
    out = torch.where(inside, out, value)
    log_slope = torch.where(inside, log_slope, 0.0)
    return out, -log_slope if inverse else log_slope

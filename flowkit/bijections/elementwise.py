"""Maps that treat every column on its own, and the data-dependent normalisation of columns."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import ShapeError
from ..nets import ResidualMLP
from ._base import Elementwise
from ._univariate import Affine, RationalQuadraticSpline
from .composition import Inverse


class _LearnedElementwise(Elementwise):
    """A univariate map per column, its parameters free or conditioned on the context."""

    def __init__(
        self,
        n_features: int,
        univariate,
        n_context: int,
        *,
        hidden_units: int = 128,
        n_hidden_layers: int = 2,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ):
        super().__init__(n_features, n_context)
        self.univariate = univariate
        self.raw = nn.Parameter(torch.zeros(univariate.n_parameters, n_features))
        self.net = None
        if n_context:
            self.net = ResidualMLP(
                n_context,
                self.raw.numel(),
                hidden_units=hidden_units,
                n_hidden_layers=n_hidden_layers,
                dropout=dropout,
                generator=generator,
            )

    def fused_steps(self):
        step = self.univariate.fused(self.raw)
        return None if self.n_context or step is None else [step]

    def _parameters_for(self, x: Tensor, context: Tensor | None) -> Tensor:
        parameters = self.raw[:, :, None]
        if self.net is not None:
            parameters = parameters + self.net(context).t().reshape(*self.raw.shape, -1)
        return parameters

    def _forward_by_column(self, x, context):
        z, log_slope = self.univariate.forward(x.t(), self._parameters_for(x, context))
        return z.t(), log_slope.t()

    def _inverse_by_column(self, z, context):
        x, log_slope = self.univariate.inverse(z.t(), self._parameters_for(z, context))
        return x.t(), log_slope.t()


class ElementwiseAffine(_LearnedElementwise):
    """Learnable scale and shift of every column.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_context : int, default=0
        Number of context columns that steer scale and shift.
    max_log_scale : float, default=3.0
        Bound of the log-scale, in nats.
    **options
        ``hidden_units``, ``n_hidden_layers``, ``dropout`` and ``generator`` of the network that
        there is with a context, as in `flowkit.nets.ResidualMLP`.
    """

    def __init__(
        self, n_features: int, n_context: int = 0, *, max_log_scale: float = 3.0, **options
    ):
        super().__init__(n_features, Affine(max_log_scale), n_context, **options)


class ElementwiseSpline(_LearnedElementwise):
    """Learnable monotone rational-quadratic spline of every column.

    Parameters
    ----------
    n_features : int
        Number of columns.
    n_context : int, default=0
        Number of context columns that steer the splines.
    n_bins : int, default=8
        Number of bins.
    tail_bound : float, default=3.0
        Half-width of the interval that is bent; outside it the map is the identity.
    compile : bool, default=False
        Whether the spline runs through ``torch.compile`` where numba's kernels cannot: on a GPU.
    **options
        ``hidden_units``, ``n_hidden_layers``, ``dropout`` and ``generator`` of the network that
        there is with a context, as in `flowkit.nets.ResidualMLP`.
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

    @torch.no_grad()
    def start(self, x: Tensor, z: Tensor) -> None:
        """Let every spline pass through given knots, such as quantiles of data and latent.

        Parameters
        ----------
        x, z : Tensor of shape (n_bins - 1, n_features)
            Interior knots of data and latent, increasing along the first axis and within the
            tail bound.

        Raises
        ------
        ShapeError
            If there are more or fewer knots.
        """
        wanted = (self.univariate.n_bins - 1, self.n_features)
        if x.shape != wanted or z.shape != wanted:
            raise ShapeError(
                f"expected knots of shape {wanted}, got {tuple(x.shape)} and {tuple(z.shape)}."
            )
        self.raw.copy_(self.univariate.parameters_for(x.double(), z.double()))


class ActNorm(Elementwise):
    """Scale and shift, initialised by mean and standard deviation of the first training batch.

    Parameters
    ----------
    n_features : int
        Number of columns.

    References
    ----------
    Kingma, Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", NeurIPS 2018,
    arXiv 1807.03039.
    """

    _MAX_LOG_SCALE = 7.0

    def __init__(self, n_features: int):
        super().__init__(n_features)
        self.log_scale = nn.Parameter(torch.zeros(n_features))
        self.shift = nn.Parameter(torch.zeros(n_features))
        self.register_buffer("started", torch.tensor(False))

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Set scale and shift so that given rows have zero mean and unit standard deviation.

        Parameters
        ----------
        x : Tensor of shape (n, n_features)
            The rows.
        """
        deviation = x.std(0, correction=0)
        # A column of one value, whose mean may be rounded, gives no scale.
        low, high = x.amin(0), x.amax(0)
        rounding = 4 * torch.finfo(x.dtype).eps * torch.maximum(low.abs(), high.abs())
        varying = (high - low > rounding) & (deviation > 0)
        deviation = torch.where(varying, deviation, torch.ones_like(deviation))
        self.log_scale.copy_(-deviation.log().clamp(-self._MAX_LOG_SCALE, self._MAX_LOG_SCALE))
        self.shift.copy_(-x.mean(0) * self.log_scale.exp())
        self.started.fill_(True)

    def _bounded(self) -> Tensor:
        return self.log_scale.clamp(-self._MAX_LOG_SCALE, self._MAX_LOG_SCALE)

    def _forward_by_column(self, x, context):
        if self.training and not self.started:
            self.start(x)
        log_scale = self._bounded()
        return x * log_scale.exp() + self.shift, log_scale.expand_as(x)

    def _inverse_by_column(self, z, context):
        log_scale = self._bounded()
        return (z - self.shift) * torch.exp(-log_scale), -log_scale.expand_as(z)


class Exp(Elementwise):
    """``z = exp(x)``, onto the positive numbers; `Log` is its inverse.

    Where an input lies outside the domain, here and in the classes below, its log-slope is
    ``-inf``: the density there is zero.
    """

    def _forward_by_column(self, x, context):
        return x.exp(), x

    def _inverse_by_column(self, z, context):
        inside, z = _inside(z, z > 0, 1.0)
        x = z.log()
        return x, _masked(-x, inside)


class Sigmoid(Elementwise):
    """``z = shift + 1 / (1 + exp(-x))``, onto (shift, 1 + shift); `Logit` is its inverse.

    Parameters
    ----------
    n_features : int
        Number of columns.
    shift : float, default=0.0
        Lower end of the interval.
    """

    def __init__(self, n_features: int, shift: float = 0.0):
        super().__init__(n_features)
        self.shift = shift

    def _forward_by_column(self, x, context):
        return torch.sigmoid(x) + self.shift, F.logsigmoid(x) + F.logsigmoid(-x)

    def _inverse_by_column(self, z, context):
        z = z - self.shift
        inside, z = _inside(z, (z > 0) & (z < 1), 0.5)
        log_z, log_rest = z.log(), torch.log1p(-z)
        return log_z - log_rest, _masked(-log_z - log_rest, inside)


class Softplus(Elementwise):
    """``z = log(1 + exp(x))``, onto the positive numbers, linear for large values."""

    def _forward_by_column(self, x, context):
        # F.softplus turns linear at a threshold, which its log-slope would not follow.
        return torch.logaddexp(x, torch.zeros_like(x)), F.logsigmoid(x)

    def _inverse_by_column(self, z, context):
        inside, z = _inside(z, z > 0, 1.0)
        rest = torch.log(-torch.expm1(-z))
        return z + rest, _masked(-rest, inside)


class Tanh(Elementwise):
    """``z = tanh(x)``, onto (-1, 1)."""

    def _forward_by_column(self, x, context):
        return torch.tanh(x), 2 * (math.log(2.0) - x - F.softplus(-2 * x))

    def _inverse_by_column(self, z, context):
        inside, z = _inside(z, z.abs() < 1, 0.0)
        return torch.atanh(z), _masked(-torch.log1p(-z) - torch.log1p(z), inside)


class SinhArcsinh(Elementwise):
    """``z = sinh((arcsinh(x) + skew) * tail)``, learnable skewness and tail weight of columns.

    Parameters
    ----------
    n_features : int
        Number of columns.

    References
    ----------
    Jones, Pewsey, "Sinh-arcsinh distributions", Biometrika 96 (2009) 761-780.
    """

    # tail within [1/4, 4], |skew| within 3.
    _MAX_LOG_TAIL = math.log(4.0)
    _MAX_SKEW = 3.0

    def __init__(self, n_features: int):
        super().__init__(n_features)
        self.raw_skew = nn.Parameter(torch.zeros(n_features))
        self.raw_tail = nn.Parameter(torch.zeros(n_features))

    def _skew_and_tail(self) -> tuple[Tensor, Tensor]:
        skew = self._MAX_SKEW * torch.tanh(self.raw_skew / self._MAX_SKEW)
        log_tail = self._MAX_LOG_TAIL * torch.tanh(self.raw_tail / self._MAX_LOG_TAIL)
        return skew, log_tail.exp()

    @staticmethod
    def _log_slope(x: Tensor, inner: Tensor, tail: Tensor) -> Tensor:
        log_cosh = torch.logaddexp(inner, -inner) - math.log(2.0)
        return log_cosh + tail.log() - torch.log(torch.hypot(x, torch.ones_like(x)))

    def _forward_by_column(self, x, context):
        skew, tail = self._skew_and_tail()
        inner = (torch.asinh(x) + skew) * tail
        return torch.sinh(inner), self._log_slope(x, inner, tail)

    def _inverse_by_column(self, z, context):
        skew, tail = self._skew_and_tail()
        inner = torch.asinh(z)
        x = torch.sinh(inner / tail - skew)
        return x, -self._log_slope(x, inner, tail)


class Log(Inverse, Elementwise):
    """``z = log(x)`` of positive columns.

    Parameters
    ----------
    n_features : int
        Number of columns.
    """

    def __init__(self, n_features: int):
        super().__init__(Exp(n_features))


class Logit(Inverse, Elementwise):
    """``z = log(x / (1 - x))`` of columns within (0, 1), or of an interval shifted by `shift`.

    Parameters
    ----------
    n_features : int
        Number of columns.
    shift : float, default=0.0
        Lower end of the interval.
    """

    def __init__(self, n_features: int, shift: float = 0.0):
        super().__init__(Sigmoid(n_features, shift))


def _inside(value: Tensor, inside: Tensor, safe: float) -> tuple[Tensor, Tensor]:
    """Replace what lies outside the domain, so that neither value nor gradient is NaN there."""
    return inside, torch.where(inside, value, torch.full_like(value, safe))


def _masked(log_slope: Tensor, inside: Tensor) -> Tensor:
    return torch.where(inside, log_slope, torch.full_like(log_slope, -math.inf))

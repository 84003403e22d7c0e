"""From mixtures of logistic densities and boxes to the standard normal, value by value."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)
# Logits beyond which their normal quantile is found by Newton steps.
_FAR = 60.0
_N_NEWTON = 4
# Most steps of an inverse, and rounding errors within which one has arrived.
_MAX_STEPS, _EXACT = 150, 8.0


def mixture_forward(
    x: Tensor, weights: Tensor, location: Tensor, log_scale: Tensor, boxes: Tensor, width: float
) -> tuple[Tensor, Tensor]:
    """Normal quantile of the distribution function of a mixture, and its log slope.

    Parameters
    ----------
    x : Tensor of shape (...)
        Values.
    weights : Tensor of shape (k + n_boxes, ...)
        Logarithms of the weights.
    location, log_scale : Tensor of shape (k, ...)
        Of the logistic components.
    boxes : Tensor of shape (n_boxes,)
        Centres of the boxes.
    width : float
        Their width.

    Returns
    -------
    z, log_slope : Tensor of shape (...)
        Latent, and log slope in nats.
    """
    logit, log_density, _ = _logit(x, weights, location, log_scale, boxes, width)
    z = _NormalOfLogit.apply(logit)
    return z, log_density + 0.5 * z.square() + _HALF_LOG_2_PI


def mixture_inverse(
    z: Tensor, weights: Tensor, location: Tensor, log_scale: Tensor, boxes: Tensor, width: float
) -> tuple[Tensor, Tensor]:
    """Inverse of `mixture_forward`, and its log slope."""
    logit = torch.special.log_ndtr(z) - torch.special.log_ndtr(-z)
    # Not differentiated: of tangents, too, the last step is enough.
    fixed = [value.detach() for value in (logit, weights, location, log_scale)]
    with torch.no_grad():
        x = _solve(*fixed, boxes, width)
    # One Newton step of length zero has the gradients of an inverse.
    found, log_density, log_total = _logit(x, weights, location, log_scale, boxes, width)
    step = (logit - found) * (log_total - log_density).detach().exp()
    x = x + (step - step.detach())
    _, log_slope = mixture_forward(x, weights, location, log_scale, boxes, width)
    return x, -log_slope


def _solve(logit, weights, location, log_scale, boxes, width):
    """Where a mixture has a logit, by Newton steps that bisection keeps in bounds."""
    # Between the quantiles of the components lies that of the mixture.
    quantiles = location + log_scale.exp() * logit
    if len(boxes):
        share = torch.sigmoid(logit) - 0.5
        inside = boxes.view(-1, *[1] * logit.ndim) + width * share
        quantiles = torch.cat((quantiles, inside))
    low, high = quantiles.amin(0), quantiles.amax(0)
    x = 0.5 * (low + high)
    # Lengths of the last step and of the one before.
    last = before = high - low
    for _ in range(_MAX_STEPS):
        found, log_density, log_total = _logit(x, weights, location, log_scale, boxes, width)
        above = found > logit
        low, high = torch.where(above, low, x), torch.where(above, x, high)
        step = (logit - found) * (log_total - log_density).exp()
        # Where the slope is small, the value is exact before the place is.
        exact = _EXACT * torch.finfo(x.dtype).eps
        nearby = torch.minimum(step.abs(), high - low) <= exact * (1 + x.abs())
        nearby |= (found - logit).abs() <= exact * (1 + logit.abs())
        # What overflows stays NaN.
        nearby |= found.isnan()
        if nearby.all():
            break
        # Steps along the slope must become shorter quickly, or the interval is halved.
        inside = (x + step > low) & (x + step < high) & (step.abs() <= 0.5 * before)
        step = torch.where(inside, step, 0.5 * (low + high) - x)
        before, last = last, step.abs()
        x = torch.where(nearby, x, x + step)
    return x


def _logit(x, weights, location, log_scale, boxes, width):
    """Logit of the distribution function; log density; log of density over slope."""
    u = (x - location) * (-log_scale).exp()
    log_below = -F.softplus(-u)
    k = len(location)
    below, above = weights[:k] + log_below, weights[:k] + log_below - u
    density = below + log_below - u - log_scale
    if len(boxes):
        share = (x - boxes.view(-1, *[1] * x.ndim)) / width + 0.5
        below = torch.cat((below, weights[k:] + _log_share(share)))
        above = torch.cat((above, weights[k:] + _log_share(1 - share)))
        inside = (share >= 0) & (share <= 1)
        boxed = torch.where(inside, weights[k:] - math.log(width), -torch.inf)
        density = torch.cat((density, boxed))
    log_density = density.logsumexp(0)
    below, above = below.logsumexp(0), above.logsumexp(0)
    return below - above, log_density, below + above


def _log_share(share):
    """Logarithm of a share of a box, at most the whole of it."""
    tiny = torch.finfo(share.dtype).tiny
    return torch.where(share > 0, share.clamp(tiny, 1).log(), -torch.inf)


class _NormalOfLogit(torch.autograd.Function):
    """Standard normal quantile of the probability of a logit."""

    @staticmethod
    def forward(logit):
        size = logit.abs()
        z = -torch.special.ndtri(torch.sigmoid(-size.clamp(max=_FAR)))
        far = size > _FAR
        if far.any():
            p = -size[far]
            found = (2 * size[far] - (4 * math.pi * size[far]).log()).sqrt()
            for _ in range(_N_NEWTON):
                log_tail = torch.special.log_ndtr(-found)
                log_slope = -0.5 * found.square() - _HALF_LOG_2_PI - log_tail
                found = found + (log_tail - p) * (-log_slope).exp()
            z[far] = found
        return z * logit.sign()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output)
        ctx.save_for_forward(*inputs, output)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return grad * _quantile_slope(*ctx.saved_tensors)

    @staticmethod
    def jvp(ctx, tangent):
        return tangent * _quantile_slope(*ctx.saved_tensors)

    @staticmethod
    def vmap(info, in_dims, logit):
        return _NormalOfLogit.apply(logit), in_dims[0]


def _quantile_slope(logit, z):
    log_slope = -F.softplus(logit) - F.softplus(-logit) + 0.5 * z.square() + _HALF_LOG_2_PI
    return log_slope.exp()

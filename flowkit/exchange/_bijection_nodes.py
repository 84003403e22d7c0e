"""Bijections as nodes of a graph: rows to latents, and log-determinants."""

from __future__ import annotations

import numpy as np
import torch

from ..bijections import (
    ActNorm,
    AffineAutoregressive,
    AffineCoupling,
    Arcsinh,
    Autoregressive,
    Compose,
    Coupling,
    ElementwiseAffine,
    ElementwiseSpline,
    Exp,
    FractalAutoregressive,
    FractalCoupling,
    Log,
    LULinear,
    Permutation,
    SplineAutoregressive,
    SplineCoupling,
)
from ..nets import GroupedMLP
from ._graph import Value
from ._rules import Rules
from ._univariate_nodes import RULES as UNIVARIATE

# Each rule is given the bijection and rows (n, d), and returns latents (n, d) and log-determinants
# of a shape that broadcasts to (n, 1).
RULES = Rules("a bijection")
# Each rule is given the networks of a level and their inputs (n_groups, n, d).
NETS = Rules("a network of a fractal bijection")


@RULES.of(Compose)
def _compose(bijection, x: Value):
    total = None
    for part in bijection.bijections:
        x, log_det = RULES(part, x)
        total = log_det if total is None else total + log_det
    return x, total


@RULES.of(LULinear)
def _linear(bijection, x):
    identity = torch.eye(bijection.n_features).to(bijection.bias)
    with torch.no_grad():
        rows, log_det = bijection(identity)
        matrix = rows - bijection.bias
    return x @ matrix + bijection.bias, x.graph.value(log_det[:1, None])


@RULES.of(Permutation)
def _permutation(bijection, x):
    return x.take(bijection.order.tolist()), x.graph.value(np.zeros((1, 1)))


@RULES.of(ActNorm)
def _act_norm(bijection, x):
    origin = torch.zeros(1, bijection.n_features).to(bijection.shift)
    with torch.no_grad():
        shift, log_det = bijection(origin)
        one, _ = bijection(origin + 1)
    return x * (one - shift) + shift, x.graph.value(log_det[:, None])


@RULES.of(ElementwiseAffine, ElementwiseSpline)
def _elementwise(bijection, x):
    parameters = x.graph.value(bijection.raw[None])
    z, log_slope = UNIVARIATE(bijection.univariate, x, parameters)
    return z, log_slope.sum(1, keepdims=True)


@RULES.of(Arcsinh)
def _arcsinh(bijection, x):
    u = (x - bijection.location) / bijection.scale
    size = u.abs()
    # Far out, squares would overflow.
    large = size > 1e8
    near = large.where(1.0, size)
    hypotenuse = large.where(size, x.graph.add("Sqrt", near.square() + 1.0))
    area = x.graph.add("Sign", u) * (_asinh_of_sizes(x.graph, size, hypotenuse))
    z = (area - bijection.centre) / bijection.width
    log_slope = -hypotenuse.log() - (bijection.scale * bijection.width).log()
    bent = x.graph.value(bijection.bent)
    return bent.where(z, x), bent.where(log_slope, 0.0).sum(1, keepdims=True)


def _asinh_of_sizes(graph, size, hypotenuse):
    """Inverse hyperbolic sine of sizes, given their hypotenuses with one."""
    small = size < 1e-3
    tiny = small.where(size, 0.0)
    # Near zero, the logarithm of what is near one has no digits left.
    series = tiny * (1.0 - tiny.square() * (1 / 6 - 3 / 40 * tiny.square()))
    return small.where(series, (small.where(1.0, size) + hypotenuse).log())


@RULES.of(Exp)
def _exp(bijection, x):
    return x.exp(), x.sum(1, keepdims=True)


@RULES.of(Log)
def _log(bijection, x):
    inside = x > 0.0
    z = inside.where(x, 1.0).log()
    return z, inside.where(-z, -np.inf).sum(1, keepdims=True)


@RULES.of(Coupling, AffineCoupling, SplineCoupling)
def _coupling(bijection, x):
    kept, moved = bijection.kept.groups[0], bijection.moved.groups[0]
    univariate, net = bijection.univariate, bijection.net
    shape = univariate.n_parameters, len(moved)
    if kept:
        raw = _residual(x.take(kept), net.first, net.hidden, net.last)
        parameters = raw.reshaped(0, *shape)
    else:
        with torch.no_grad():
            parameters = net(torch.zeros(1, 0).to(net.last.bias)).reshape(1, *shape)
        parameters = x.graph.value(parameters)
    z, log_slope = UNIVARIATE(univariate, x.take(moved), parameters)
    if kept:
        z = x.take(kept).beside(z).take(np.argsort([*kept, *moved]))
    return z, log_slope.sum(1, keepdims=True)


@RULES.of(Autoregressive, AffineAutoregressive, SplineAutoregressive)
def _autoregressive(bijection, x):
    univariate, net = bijection.univariate, bijection.net
    raw = _residual(x, net.first, net.hidden, net.last)
    parameters = raw.reshaped(0, univariate.n_parameters, bijection.n_features)
    z, log_slope = UNIVARIATE(univariate, x, parameters)
    return z, log_slope.sum(1, keepdims=True)


@RULES.of(FractalCoupling)
def _fractal(bijection, x):
    total = None
    for level in bijection.couplings:
        x, log_slope = _level(bijection, level, x)
        total = log_slope if total is None else total + log_slope
    z, log_slope = UNIVARIATE(bijection.leaf, x, x.graph.value(bijection.raw[None]))
    log_slope = log_slope.sum(1, keepdims=True)
    return z, log_slope if total is None else total + log_slope


def _level(bijection, level, x):
    """Columns after the couplings of the nodes of one level, and the sum of their log slopes."""
    raw = NETS(level["net"], _grouped_columns(level["kept"], x))
    return _moved(bijection, level["moved"], raw, x)


@RULES.of(FractalAutoregressive)
def _fractal_autoregressive(bijection, x):
    size = bijection.hidden_units
    handed = (0.0 * x.take([0] * size)).expanded(0)
    for split in bijection.splits:
        steer = _grouped_columns(split["kept"], x).beside(handed, axis=2)
        pair = handed, handed + NETS(split["net"], steer)
        first, second = (part.expanded(1) for part in (pair[::-1] if bijection.reverse else pair))
        n_nodes = 2 * len(split["kept"].groups)
        handed = first.beside(second).reshaped(n_nodes, -1, size)
    return _moved(bijection, bijection.blocks, NETS(bijection.net, handed), x)


def _grouped_columns(groups, x):
    """Columns of several groups, shape (n_groups, n, width)."""
    columns = x.take(groups.index.tolist()).reshaped(0, len(groups.groups), groups.width)
    return columns.transposed(1, 0, 2)


def _moved(bijection, groups, raw, x):
    """Columns of which groups are mapped by parameters (n_groups, n, k), and sums of log slopes."""
    univariate, n_groups, width = bijection.univariate, len(groups.groups), groups.width
    raw = raw.transposed(1, 0, 2).reshaped(0, n_groups, univariate.n_parameters, width)
    raw = raw.transposed(0, 2, 1, 3).reshaped(0, univariate.n_parameters, n_groups * width)
    z, log_slope = UNIVARIATE(univariate, x.take(groups.index.tolist()), raw)
    # Smaller groups are filled up.
    present, written = groups.kept.tolist(), groups.index[groups.kept].tolist()
    others = sorted({*range(bijection.n_features)} - {*written})
    z = x.take(others).beside(z.take(present)).take(np.argsort([*others, *written]))
    return z, log_slope.take(present).sum(1, keepdims=True)


@NETS.of(GroupedMLP)
def _grouped(net, x):
    return _residual(x, net.first, net.hidden, net.last)


def _residual(x, first, hidden, last):
    """A network of residual layers."""
    h = _affine(x, first)
    for layer in hidden:
        h = h + _affine(h.rectified(), layer)
    return _affine(h.rectified(), last)


def _affine(x, layer):
    mask = getattr(layer, "mask", None)
    weight = layer.weight if mask is None else layer.weight * mask
    return x @ weight.mT + layer.bias.unsqueeze(-2)

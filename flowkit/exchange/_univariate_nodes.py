"""Monotone maps of one number as nodes of a graph: bins are found by comparison."""

from __future__ import annotations

import numpy as np

from ..bijections import Affine, RationalQuadraticSpline
from ._graph import Value
from ._rules import Rules

# Each rule is given the map, values (n, d) and parameters (n or 1, n_parameters, d), and returns
# values and log slopes.
RULES = Rules("a monotone map")


@RULES.of(Affine)
def _affine(univariate, x: Value, parameters: Value):
    bound = univariate.max_log_scale
    log_scale = bound * (parameters.take(0) / bound).tanh()
    return x * log_scale.exp() + parameters.take(1), log_scale + 0.0 * x


@RULES.of(RationalQuadraticSpline)
def _spline(univariate, x: Value, parameters: Value):
    k, bound = univariate.n_bins, univariate.tail_bound
    wide, high, raw = (
        parameters.take(range(*ends)) for ends in ((0, k), (k, 2 * k), (2 * k, 3 * k - 1))
    )
    # Knots from shares of the bins, each at least of the minimal size.
    index, least = np.arange(k + 1.0)[:, None], univariate.min_bin
    matrix = index * least + (1 - k * least) * (np.arange(k) < index)
    matrix = 2 * bound * matrix - bound
    wide, high = wide.softmax(1), high.softmax(1)
    left, below = matrix[:-1] @ wide, matrix[:-1] @ high
    right, above = matrix[1:] @ wide, matrix[1:] @ high

    clamped = x.clipped(-bound, bound)
    value = clamped.graph.add("Unsqueeze", clamped, [1])
    # What is below the first knot by rounding is in the first bin.
    first = np.where(np.arange(k) == 0, -np.inf, 0.0)[:, None]
    number = (value >= left + first).cast("DOUBLE").sum(1, keepdims=True)
    within = number.equals(np.arange(1.0, k + 1)[:, None])

    def chosen(of_bins):
        return within.where(of_bins, 0.0).sum(1)

    # The slope of the identity at both ends.
    raw0, raw1 = np.eye(k, k - 1, -1) @ raw, np.eye(k, k - 1) @ raw
    slope0, slope1 = (
        (chosen(r) + univariate.slope_shift).softplus() + univariate.min_slope for r in (raw0, raw1)
    )
    x0, y0 = chosen(left), chosen(below)
    width, height = chosen(right) - x0, chosen(above) - y0
    chord = height / width
    bend = slope0 + slope1 - 2.0 * chord
    t = (clamped - x0) / width
    bump = t * (1.0 - t)
    lower = chord + bend * bump
    upper = slope1 * t.square() + 2.0 * chord * bump + slope0 * (1.0 - t).square()
    out = y0 + height * (chord * t.square() + slope0 * bump) / lower
    log_slope = (chord.square() * upper / lower.square()).log()
    inside = clamped.equals(x)
    return inside.where(out, x), inside.where(log_slope, 0.0)

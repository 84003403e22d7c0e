"""Monotone maps of one number as nodes of a graph: bins are found by comparison."""

from __future__ import annotations

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
def _spline(univariate, x, parameters):
    k, bound = univariate.n_bins, univariate.tail_bound
    clamped = x.clipped(-bound, bound)
    value = clamped.expanded(2)
    # Bins come last, where engines are fastest.
    of_bins = parameters.transposed(0, 2, 1)
    wide, high, raw = (
        of_bins.take(range(*ends), 2) for ends in ((0, k), (k, 2 * k), (2 * k, 3 * k - 1))
    )
    # Shares of the bins, each at least of the minimal size.
    least = univariate.min_bin
    wide, high = (
        2 * bound * (least + (1 - k * least) * logits.softmax(2)) for logits in (wide, high)
    )
    right, above = (sizes.cumulated(2) - bound for sizes in (wide, high))
    # Values beyond the last knot by rounding are in the last bin.
    index = (value >= right.take(range(k - 1), 2)).cast("INT64").sum(2, keepdims=True)
    # The slope of the identity at both ends.
    end = 0.0 * raw.take(range(1), 2)
    slopes = (end.beside(raw, end, axis=2) + univariate.slope_shift).softplus()
    slopes = slopes + univariate.min_slope
    if parameters.is_constant:
        # Until here nothing depends on rows.
        wide, high, right, above, slopes = (
            table + 0.0 * value for table in (wide, high, right, above, slopes)
        )
    width, height = wide.picked(index, 2), high.picked(index, 2)
    x0, y0 = right.picked(index, 2) - width, above.picked(index, 2) - height
    slope0, slope1 = slopes.picked(index, 2), slopes.picked(index + 1, 2)
    chord = height / width
    bend = slope0 + slope1 - 2.0 * chord
    t = (value - x0) / width
    bump = t * (1.0 - t)
    lower = chord + bend * bump
    upper = slope1 * t.square() + 2.0 * chord * bump + slope0 * (1.0 - t).square()
    out = y0 + height * (chord * t.square() + slope0 * bump) / lower
    log_slope = (chord.square() * upper / lower.square()).log()
    inside = clamped.equals(x)
    return inside.where(out.sum(2), x), inside.where(log_slope.sum(2), 0.0)

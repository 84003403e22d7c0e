"""Flows and their standardisation as nodes of a graph, in the units of X."""

from __future__ import annotations

import numpy as np

from ..estimators import FlowDensity, FractalFlowDensity
from ..modules import Flow, KernelFlow, TopicFlow
from ._bijection_nodes import RULES as BIJECTIONS
from ._kernel_nodes import kernel_log_prob
from ._prior_nodes import RULES as PRIORS
from ._rules import DENSITIES, Rules

# Each rule is given the module and standardised rows (n, d), and returns log densities (n, 1).
MODULES = Rules("a module")


@DENSITIES.of(FlowDensity, FractalFlowDensity)
def _flow_density(density, x):
    columns = density._columns
    shortened, log_slope = _shortened(columns.gaps, density.n_features_in_, x)
    rows = (shortened - columns.location) / columns.scale
    log_density = MODULES(density.module_, rows).reshaped(-1)
    # Rows so far away that squares overflow.
    log_density = log_density.is_nan().where(-np.inf, log_density)
    return log_density + (log_slope - np.log(columns.scale).sum())


def _shortened(gaps, n_features, x):
    """Columns whose gaps are shortened, and the log slope that this has."""
    if not gaps:
        return x, 0.0
    columns, total = [x.take([j]) for j in range(n_features)], 0.0
    for j, low, high, start, to, above in gaps:
        value = x.take([j])
        inside = (value > low) & (value < high)
        slope = (to - start) / (high - low)
        # A gap moves what lies on its far side from the other values.
        beyond, end, image = (value >= high, high, to) if above else (-value >= -low, low, start)
        columns[j] = beyond.where(image + (value - end), columns[j])
        columns[j] = inside.where(start + (value - low) * slope, columns[j])
        total = total + inside.where(np.log(slope), 0.0).sum(1)
    return columns[0].beside(*columns[1:]), total


@MODULES.of(Flow, TopicFlow)
def _flow(flow, rows):
    latent, log_det = BIJECTIONS(flow.bijection, rows)
    return PRIORS(flow.prior, latent) + log_det


@MODULES.of(KernelFlow)
def _kernel_flow(flow, rows):
    latent, log_det = BIJECTIONS(flow.bijection, rows)
    return kernel_log_prob(flow, rows, latent) + log_det

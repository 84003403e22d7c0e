"""Densities within others as nodes of a graph: frozen, transformed, stacked, in a pipeline."""

from __future__ import annotations

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ..stacking import StackedDensity
from ..transforms import TransformedDensity
from ._rules import DENSITIES
from ._transformer_nodes import before_last, transformed


@DENSITIES.of(FrozenEstimator)
def _frozen(estimator, x):
    return DENSITIES(estimator.estimator, x)


@DENSITIES.of(Pipeline)
def _pipeline(pipeline, x):
    return DENSITIES(pipeline.steps[-1][1], before_last(pipeline, x))


@DENSITIES.of(TransformedDensity)
def _transformed(density, x):
    z, log_det = transformed(density.transformer_, x)
    inside = z.is_finite().all(1, keepdims=True) & log_det.is_finite()
    scores = DENSITIES(density.density_, inside.where(z, 0.0)).reshaped(-1, 1) + log_det
    return inside.where(scores, -np.inf).reshaped(-1)


@DENSITIES.of(StackedDensity)
def _stacked(stack, x):
    members = [DENSITIES(member, x).reshaped(-1, 1) for member in stack.estimators_]
    logs = members[0].beside(*members[1:])
    with np.errstate(divide="ignore"):
        return (logs + np.log(stack.weights_)).logsumexp(1)

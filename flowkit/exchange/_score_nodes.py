"""Scores of fitted estimators as nodes of a graph, in the units of X."""

from __future__ import annotations

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from ..estimators import FlowDensity
from ..exceptions import NotExportableError
from ..outliers import DensityOutlierDetector
from ._bijection_nodes import RULES as BIJECTIONS
from ._graph import Value
from ._kernel_nodes import kernel_log_prob
from ._prior_nodes import RULES as PRIORS
from ._rules import Rules

# Each rule is given the estimator and rows (n, d) of float64, and returns a value (n,) for each
# method, by the name of the method.
RULES = Rules("an estimator")


def score_nodes(estimator, x: Value) -> dict[str, Value]:
    """What a fitted estimator says of rows.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    x : Value of shape (n, d)
        Rows, float64.

    Returns
    -------
    dict of str to Value
        Shape (n,), by the name of the method; scores of rows that are not finite numbers are NaN.

    Raises
    ------
    NotExportableError
        If a part of it has no form in ONNX.
    """
    check_is_fitted(estimator)
    return RULES(estimator, x)


@RULES.of(FrozenEstimator)
def _frozen(estimator, x):
    return RULES(estimator.estimator, x)


@RULES.of(FlowDensity)
def _flow_density(density, x):
    columns, flow = density._columns, density.module_
    shortened, log_slope = _shortened(columns.gaps, density.n_features_in_, x)
    rows = (shortened - columns.location) / columns.scale
    latent, log_det = BIJECTIONS(flow.bijection, rows)
    if flow.has_kernels:
        log_prob = kernel_log_prob(flow, rows, latent)
    else:
        log_prob = PRIORS(flow.prior, latent)
    log_density = (log_prob + log_det).reshaped(-1)
    # Rows so far away that squares overflow.
    log_density = x.graph.add("IsNaN", log_density).where(-np.inf, log_density)
    log_density = log_density + (log_slope - np.log(columns.scale).sum())
    finite = (x - x).sum(1).equals(0.0)
    return {"score_samples": finite.where(log_density, np.nan)}


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


@RULES.of(DensityOutlierDetector)
def _detector(detector, x):
    # What was fitted counts, whatever the parameter has become since.
    statistic = detector._scores.statistic.name
    if len(detector.densities_) != 1 or statistic != "log_density":
        raise NotExportableError(
            "expected a DensityOutlierDetector of one density whose statistic is 'log_density', "
            f"got {len(detector.densities_)} densities and statistic={statistic!r}. Give "
            "it one density, such as DensityOutlierDetector(FlowDensity()), with n_estimators=1."
        )
    scores = RULES(detector.densities_[0], x)["score_samples"]
    same = scores.equals(detector.offset_)
    decision = same.where(0.0, scores - detector.offset_)
    belongs = (decision >= 0.0).where(1, -1)
    return {"score_samples": scores, "decision_function": decision, "predict": belongs}

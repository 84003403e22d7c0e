"""Detectors as nodes of a graph: scores of densities combined, thresholds and p-values."""

from __future__ import annotations

import math

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ..exceptions import NotExportableError
from ..outliers import DensityOutlierDetector, less_rounding
from ._graph import Value
from ._reading_nodes import read_table
from ._rules import DENSITIES, Rules
from ._search_nodes import SortedColumns, interpolated
from ._transformer_nodes import before_last

# Each rule is given the detector and rows (n, d) of float64, and returns a value (n,) for each
# method, by the name of the method.
RULES = Rules("a detector")

# What statistics make of log densities.
_STATISTICS = {
    "log_density": lambda statistic, log_density: log_density,
    "typicality": lambda statistic, log_density: -(log_density - statistic.mean_).abs(),
}


@RULES.of(FrozenEstimator)
def _frozen(estimator, x):
    return RULES(estimator.estimator, x)


@RULES.of(Pipeline)
def _pipeline(pipeline, x):
    return RULES(pipeline.steps[-1][1], before_last(pipeline, x))


@RULES.of(DensityOutlierDetector)
def _detector(detector, x):
    scores = _scores(detector._scores, x)
    same = scores.equals(detector.offset_)
    decision = same.where(0.0, scores - detector.offset_)
    belongs = (decision >= 0.0).where(1, -1)
    said = {"score_samples": scores, "decision_function": decision, "predict": belongs}
    if hasattr(detector, "calibration_scores_"):
        said["p_values"] = _p_values(detector.calibration_scores_, scores)
    return said


def _p_values(calibration_scores, scores):
    n = len(calibration_scores)
    table = SortedColumns(scores.graph, [less_rounding(calibration_scores)])
    count = table.count(scores.reshaped(-1, 1)).reshaped(-1).cast("DOUBLE")
    return scores.is_nan().where(np.nan, (count + 1.0) / float(n + 1))


def _scores(scores, x: Value) -> Value:
    """One score of each row, from one density or several; NaN where a row has none."""
    if scores.reading is None:
        has_value = x.is_finite()
        x = has_value.where(x, 0.0)
    else:
        has_value = (x.abs() < np.inf) | x.is_nan()
        x = read_table(scores.reading, has_value.where(x, np.nan))
    of_members = [
        _statistic(statistic, DENSITIES(member.density, x))
        for statistic, member in zip(scores._statistics, scores._members, strict=True)
    ]
    groups, first = [], 0
    for size in scores._sizes:
        total = of_members[first]
        for one in of_members[first + 1 : first + size]:
            total = total + one
        groups.append((total / float(size)).reshaped(-1, 1))
        first += size
    combined = groups[0].reshaped(-1)
    if scores.are_combined:
        shares = [_log_share(*pair) for pair in zip(scores._tails, groups, strict=True)]
        negative = -shares[0].beside(*shares[1:])
        combined = math.log(len(shares)) - negative.logsumexp(1)
    return has_value.all(1).where(combined, np.nan)


def _statistic(statistic, log_density):
    score = _STATISTICS.get(statistic.name)
    if score is None:
        raise NotExportableError(
            f"expected a detector whose statistic is {' or '.join(map(repr, _STATISTICS))}, got "
            f"statistic={statistic.name!r}. Fit it with one of these, or keep it in a file by "
            "flowkit.save."
        )
    return score(statistic, log_density.is_nan().where(-np.inf, log_density))


def _log_share(tail, scores):
    """Logarithms of the shares of training rows that score as low, shape (n, 1)."""
    beyond = (float(tail.scores[0]) - scores).maximum(0.0) / float(tail.spread)
    return interpolated(scores, [tail.scores], [tail.log_shares]) - (beyond + 1.0).log()

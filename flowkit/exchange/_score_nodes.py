"""What fitted estimators say of rows as nodes of a graph, in the units of X."""

from __future__ import annotations

import numpy as np
from sklearn.base import is_outlier_detector
from sklearn.utils.validation import check_is_fitted

from . import _classical_nodes as _classical_nodes
from . import _flow_nodes as _flow_nodes
from . import _table_nodes as _table_nodes
from . import _wrapper_nodes as _wrapper_nodes
from ._detector_nodes import RULES as DETECTORS
from ._graph import Value
from ._rules import DENSITIES


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
        Shape (n,), by the name of the method; scores of rows that have none are NaN.

    Raises
    ------
    NotExportableError
        If a part of it has no form in ONNX.
    """
    check_is_fitted(estimator)
    if is_outlier_detector(estimator):
        return DETECTORS(estimator, x)
    is_number = x.is_finite()
    scores = DENSITIES(estimator, is_number.where(x, 0.0))
    return {"score_samples": is_number.all(1).where(scores, np.nan)}


def methods_of(estimator) -> list[str]:
    """Names of the methods that a fitted estimator has nodes of, in their order.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    """
    if not is_outlier_detector(estimator):
        return ["score_samples"]
    calibrated = ["p_values"] * hasattr(estimator, "calibration_scores_")
    return ["score_samples", "decision_function", "predict", *calibrated]

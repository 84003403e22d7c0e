"""Transformers of scikit-learn as nodes of a graph: transformed rows, and log-Jacobians."""

from __future__ import annotations

import math

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from ..exceptions import NotExportableError
from ..transforms import column_parts
from ._graph import Value
from ._rules import Rules

# Each rule is given the transformer and rows (n, d), and returns rows (n, k) and ``log|det|`` of a
# shape that broadcasts to (n, 1), which is not finite outside the domain.
RULES = Rules("a transformer")

# Functions, and the logarithms of their slopes.
_FUNCTIONS = {
    np.log: (Value.log, lambda x: -x.log()),
    np.log2: (lambda x: x.log() / math.log(2), lambda x: -x.log() - math.log(math.log(2))),
    np.log10: (lambda x: x.log() / math.log(10), lambda x: -x.log() - math.log(math.log(10))),
    np.log1p: (Value.log1p, lambda x: -x.log1p()),
    np.exp: (Value.exp, lambda x: x),
    np.expm1: (Value.expm1, lambda x: x),
    np.sqrt: (Value.sqrt, lambda x: -0.5 * x.log() - math.log(2)),
}


def transformed(transformer, x: Value) -> tuple[Value, Value]:
    """Rows after a fitted transformer, and their log-Jacobian.

    Parameters
    ----------
    transformer : transformer, 'passthrough' or None
        Fitted.
    x : Value of shape (n, d)
        Rows.

    Returns
    -------
    z : Value of shape (n, k)
        Transformed rows.
    log_det : Value of shape (n, 1) or (1, 1)
        ``log|det dz/dx|`` where it has as many columns, not finite outside its domain.

    Raises
    ------
    NotExportableError
        If a part of it has no form in ONNX.
    """
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return x, _constant(x, 0.0)
    return RULES(transformer, x)


def before_last(pipeline, x: Value) -> Value:
    """Rows as the last step of a fitted pipeline sees them.

    Parameters
    ----------
    pipeline : Pipeline
        Fitted.
    x : Value of shape (n, d)
        Rows.
    """
    for _, step in pipeline.steps[:-1]:
        x, _ = transformed(step, x)
    return x


def _constant(x, number):
    return x.graph.value(np.array([[float(number)]]))


@RULES.of(StandardScaler)
def _standard(scaler, x):
    return _scaled(x, scaler.mean_ if scaler.with_mean else None, scaler.scale_)


@RULES.of(RobustScaler)
def _robust(scaler, x):
    return _scaled(x, scaler.center_, scaler.scale_)


@RULES.of(MaxAbsScaler)
def _max_abs(scaler, x):
    _refuse_clipping(scaler)
    return _scaled(x, None, scaler.scale_)


@RULES.of(MinMaxScaler)
def _min_max(scaler, x):
    _refuse_clipping(scaler)
    return x * scaler.scale_ + scaler.min_, _constant(x, np.log(scaler.scale_).sum())


def _scaled(x, location, scale):
    x = x if location is None else x - location
    return (
        (x, _constant(x, 0.0)) if scale is None else (x / scale, _constant(x, -np.log(scale).sum()))
    )


def _refuse_clipping(scaler):
    if getattr(scaler, "clip", False):
        raise NotExportableError(
            f"expected a {type(scaler).__name__} that does not clip, got clip=True. Set clip=False."
        )


@RULES.of(PowerTransformer)
def _power(transformer, x):
    lambdas = transformer.lambdas_
    if transformer.method == "box-cox":
        z, log_slope = _box_cox(x.log(), lambdas)
    else:
        negative = x < 0.0
        powers = negative.where(2.0 - lambdas, lambdas)
        size, log_slope = _box_cox(x.abs().log1p(), powers)
        z = negative.where(-size, size)
    log_det = log_slope.sum(1, keepdims=True)
    if not transformer.standardize:
        return z, log_det
    z, of_scaler = RULES(transformer._scaler, z)
    return z, log_det + of_scaler


def _box_cox(logs, powers):
    """Powers of Box and Cox of numbers by their logarithms, and log slopes."""
    powers = logs.graph.value(powers)
    flat = powers.abs() < np.finfo(np.float64).eps
    z = flat.where(logs, (powers * logs).expm1() / flat.where(1.0, powers))
    return z, (powers - 1.0) * logs


@RULES.of(FunctionTransformer)
def _function(transformer, x):
    if transformer.func is None:
        return x, _constant(x, 0.0)
    # By identity: not every callable has a hash.
    known = next((pair for func, pair in _FUNCTIONS.items() if func is transformer.func), None)
    if transformer.kw_args or known is None:
        names = ", ".join(func.__name__ for func in _FUNCTIONS)
        name = getattr(transformer.func, "__name__", repr(transformer.func))
        raise NotExportableError(
            f"expected a function that has a form in ONNX, {names} of numpy without kw_args, got "
            f"{name}. Use one of those, or keep the estimator in a file by flowkit.save."
        )
    function, log_slope = known
    return function(x), log_slope(x).sum(1, keepdims=True)


@RULES.of(PCA)
def _pca(pca, x):
    z, log_det = (x - pca.mean_) @ pca.components_.T, 0.0
    if pca.whiten:
        # As scikit-learn does.
        variance = np.maximum(pca.explained_variance_, np.finfo(np.float64).eps ** 2)
        z, log_det = z / np.sqrt(variance), -0.5 * np.log(variance).sum()
    return z, _constant(x, log_det)


@RULES.of(Pipeline)
def _pipeline(pipeline, x):
    total = _constant(x, 0.0)
    for _, step in pipeline.steps:
        x, log_det = transformed(step, x)
        total = total + log_det
    return x, total


@RULES.of(FrozenEstimator)
def _frozen(frozen, x):
    return transformed(frozen.estimator, x)


@RULES.of(ColumnTransformer)
def _side_by_side(transformer, x):
    blocks, total = [], _constant(x, 0.0)
    for _, part, columns, weight in column_parts(transformer):
        z, log_det = transformed(part, x.take(columns))
        blocks.append(z * float(weight))
        total = total + log_det + len(columns) * math.log(abs(weight))
    return blocks[0].beside(*blocks[1:]), total

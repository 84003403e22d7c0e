"""Jacobians of transformers of single columns: the sum of the log slopes of their values."""

from __future__ import annotations

import numpy as np
from scipy import special
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from ..exceptions import InvalidParameterError
from ..validation import name_columns
from ._jacobians import TransformerMap, register, values_of
from .differentiable import DifferentiableFunctionTransformer

# Spread of a column, relative to its mean, below which most of its digits are rounding.
_MIN_SPREAD = 1e-10

# Logarithm of the absolute derivative of functions that a FunctionTransformer often holds.
_LOG_SLOPES = {
    np.log: lambda x: -np.log(x),
    np.log2: lambda x: -np.log(x) - np.log(np.log(2)),
    np.log10: lambda x: -np.log(x) - np.log(np.log(10)),
    np.log1p: lambda x: -np.log1p(x),
    np.exp: lambda x: x,
    np.expm1: lambda x: x,
    np.sqrt: lambda x: -0.5 * np.log(x) - np.log(2),
    np.cbrt: lambda x: -2 / 3 * np.log(np.abs(x)) - np.log(3),
    np.sinh: lambda x: np.logaddexp(x, -x) - np.log(2),
    np.arcsinh: lambda x: -np.log(np.hypot(1, x)),
    np.tanh: lambda x: 2 * (np.log(2) - np.logaddexp(x, -x)),
    np.arctanh: lambda x: -np.log1p(x) - np.log1p(-x),
    special.logit: lambda x: -np.log(x) - np.log1p(-x),
    special.expit: lambda x: -np.logaddexp(0, x) - np.logaddexp(0, -x),
}


class ElementwiseMap(TransformerMap):
    """A map of single columns; subclasses implement ``log_slopes(transformer, values)``."""

    def log_slopes(self, transformer, values: np.ndarray):
        """``log|dz/dx|`` at each value, of a shape that broadcasts to that of the values."""
        raise NotImplementedError

    def log_abs_det(self, transformer, X):
        values = values_of(X)
        log_slopes = self.log_slopes(transformer, values)
        return np.where(np.isnan(values), 0.0, log_slopes).sum(1)


@register(StandardScaler, MaxAbsScaler, RobustScaler)
class ScalerMap(ElementwiseMap):
    """Scalers that divide by ``scale_``."""

    sign = -1

    def log_slopes(self, transformer, values):
        if getattr(transformer, "clip", False):
            raise InvalidParameterError(
                f"{type(transformer).__name__}(clip=True) maps all rows beyond the range of the "
                "training rows onto its edge, where a density has no inverse. Set clip=False."
            )
        scale = transformer.scale_
        return 0.0 if scale is None else self.sign * np.log(scale)


@register(MinMaxScaler)
class MinMaxScalerMap(ScalerMap):
    """The one scaler that multiplies by ``scale_``."""

    sign = 1


@register(PowerTransformer)
class PowerTransformerMap(ElementwiseMap):
    """Powers of Box and Cox, and of Yeo and Johnson."""

    def log_slopes(self, transformer, values):
        lambdas = transformer.lambdas_
        if transformer.method == "box-cox":
            inside = (values > 0) & np.isfinite(special.boxcox(values, lambdas))
            log_slopes = (lambdas - 1) * np.log(values)
        else:
            distance = np.abs(values)
            powers = np.where(values < 0, 2 - lambdas, lambdas)
            inside = np.isfinite(special.boxcox1p(distance, powers))
            log_slopes = (powers - 1) * np.log1p(distance)
        if transformer.standardize:
            _refuse_lost_digits(transformer)
            log_slopes = log_slopes - np.log(transformer._scaler.scale_)
        return np.where(inside, log_slopes, -np.inf)

    def inverse(self, transformer, Z):
        # scikit-learn's own inverse warns of values out of range, and loses digits near zero.
        if transformer.standardize:
            Z = transformer._scaler.inverse_transform(Z)
        lambdas = transformer.lambdas_
        if transformer.method == "box-cox":
            return special.inv_boxcox(Z, lambdas)
        powers = np.where(Z < 0, 2 - lambdas, lambdas)
        return np.copysign(special.inv_boxcox1p(np.abs(Z), powers), Z)


def _refuse_lost_digits(transformer):
    """Far from zero, a power far from one turns all rows into the same number."""
    scaler, powers = transformer._scaler, transformer.lambdas_
    # Constant columns, which keep power one, lose nothing.
    flat = np.sqrt(scaler.var_) < _MIN_SPREAD * np.abs(scaler.mean_)
    lost = np.flatnonzero(flat & (powers != 1))
    if lost.size:
        names = getattr(transformer, "feature_names_in_", None)
        raise InvalidParameterError(
            f"PowerTransformer raises column(s) {name_columns(lost, names)} to power(s) "
            f"{', '.join(f'{power:.3g}' for power in powers[lost[:10]])}, where all rows become "
            "the same number but for rounding. Put a RobustScaler before it and use "
            "method='yeo-johnson'."
        )


@register(QuantileTransformer)
class QuantileTransformerMap(TransformerMap):
    """Refused, with the reason."""

    condition = None

    def log_abs_det(self, transformer, X):
        raise InvalidParameterError(
            "QuantileTransformer is piecewise linear between quantiles of the training rows and "
            "flat beyond them: its Jacobian is a step function of the spacing of single training "
            "rows, zero or infinite where they repeat, and no density of new rows. Use "
            "PowerTransformer."
        )


@register(FunctionTransformer)
class FunctionTransformerMap(ElementwiseMap):
    """Functions whose derivative is known; no function is the identity."""

    condition = " of a function whose derivative is known"

    def log_slopes(self, transformer, values):
        if transformer.func is None:
            return 0.0
        # By identity: not every callable has a hash.
        log_slope = next((s for func, s in _LOG_SLOPES.items() if func is transformer.func), None)
        if transformer.kw_args or log_slope is None:
            name = getattr(transformer.func, "__name__", repr(transformer.func))
            options = " with kw_args" if transformer.kw_args else ""
            raise InvalidParameterError(
                f"the derivative of {name}{options} in a FunctionTransformer is not known. Give "
                f"it: DifferentiableFunctionTransformer({name}, inverse_func, derivative)."
            )
        return log_slope(values)

    def inverse(self, transformer, Z):
        if transformer.func is None:
            return Z
        if transformer.inverse_func is None:
            raise InvalidParameterError(
                f"{type(transformer).__name__} has no inverse_func, which samples need."
            )
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return super().inverse(transformer, Z)


@register(DifferentiableFunctionTransformer)
class DifferentiableFunctionTransformerMap(FunctionTransformerMap):
    """Functions that bring their derivative along."""

    condition = ""

    def log_slopes(self, transformer, values):
        return np.log(np.abs(transformer._slopes(values)))

"""Exact log-Jacobians, and inverses, of scikit-learn's invertible transformers."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import special
from sklearn.base import _fit_context
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from ..exceptions import FlowkitWarning, InvalidDataError, InvalidParameterError
from ..validation import name_columns
from ..validation._parameters import SuggestingEstimator

_SUPPORTED = (
    "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PowerTransformer, PCA that keeps "
    "all dimensions, FunctionTransformer of a function whose derivative is known, "
    "DifferentiableFunctionTransformer, ColumnTransformer, Pipeline and FrozenEstimator of these, "
    "and any transformer with a method log_abs_det_jacobian(X)"
)

# By exact class, as a subclass may map rows in another way.
_LOG_DETS: dict = {}
_INVERSES: dict = {}

# Rows on which a derivative is compared with differences, their relative step, how far off they
# may be, and in what share of the rows they may be further off.
_N_CHECKED, _STEP, _TOLERANCE, _MOST_OFF = 100, 1e-4, 0.1, 0.05

_REAL = (np.float64, np.float32)

# Spread of a column in its own size, below which most of its digits are rounding.
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


class DifferentiableFunctionTransformer(SuggestingEstimator, FunctionTransformer):
    """A function of each value together with its inverse and its derivative.

    What `TransformedDensity` needs to know of a function that it does not know by itself. It knows
    numpy's ``log``, ``log2``, ``log10``, ``log1p``, ``exp``, ``expm1``, ``sqrt``, ``cbrt``,
    ``sinh``, ``arcsinh``, ``tanh``, ``arctanh`` and scipy's ``logit`` and ``expit`` in a plain
    `sklearn.preprocessing.FunctionTransformer`.

    Parameters
    ----------
    func : callable
        ``z = func(X)``, value by value and strictly monotone in each column.
    inverse_func : callable or None
        ``X = inverse_func(z)``; needed to sample, not to score.
    derivative : callable
        ``dz/dx = derivative(X)`` of float64 values of shape (n_samples, n_features), of a shape
        that broadcasts to it. Functions of a module can be pickled, lambdas cannot.
    check_inverse : bool, default=True
        Whether `fit` warns where `inverse_func` does not lead back.
    kw_args : dict or None, default=None
        Keyword arguments of `func` and `derivative`.
    inv_kw_args : dict or None, default=None
        Keyword arguments of `inverse_func`.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X has names.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit import DifferentiableFunctionTransformer
    >>> inverse = DifferentiableFunctionTransformer(
    ...     np.reciprocal, np.reciprocal, lambda x: -1 / x**2
    ... )
    >>> inverse.fit_transform(np.array([[1.0], [2.0], [4.0]])).ravel().tolist()
    [1.0, 0.5, 0.25]
    """

    _parameter_constraints: dict = {
        "func": [callable],
        "inverse_func": [callable, None],
        "derivative": [callable],
        "check_inverse": ["boolean"],
        "kw_args": [dict, None],
        "inv_kw_args": [dict, None],
    }

    def __init__(
        self,
        func,
        inverse_func,
        derivative,
        *,
        check_inverse=True,
        kw_args=None,
        inv_kw_args=None,
    ):
        super().__init__(
            func,
            inverse_func,
            check_inverse=check_inverse,
            feature_names_out="one-to-one",
            kw_args=kw_args,
            inv_kw_args=inv_kw_args,
        )
        self.derivative = derivative

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check that the derivative fits X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; finite real numbers, or missing values.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The transformer.

        Raises
        ------
        InvalidParameterError
            If the derivative has another shape than X, both signs in one column, or is not that of
            the function.
        """
        X = self._validate(X, reset=True)
        if self.check_inverse and self.inverse_func is not None:
            self._check_inverse_transform(X)
        slopes = self._slopes(_values(X))
        folded = np.flatnonzero((slopes > 0).any(0) & (slopes < 0).any(0))
        if folded.size:
            names = getattr(self, "feature_names_in_", None)
            raise InvalidParameterError(
                f"derivative has both signs in column(s) {name_columns(folded, names)}, so func "
                "takes some values twice and has no density of one row. Give a function that "
                "rises, or falls, all the way."
            )
        self._refuse_other_derivative(_values(X[:: max(1, len(X) // _N_CHECKED)]))
        return self

    def transform(self, X):
        """Apply the function.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_features)
            ``func(X)``.
        """
        return self._transform(self._validate(X, reset=False), self.func, self.kw_args)

    @available_if(lambda self: self.inverse_func is not None)
    def inverse_transform(self, X):
        """Apply the inverse of the function.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            ``inverse_func(X)``.
        """
        Z = check_array(X, dtype=_REAL, ensure_all_finite=False)
        return self._transform(Z, self.inverse_func, self.inv_kw_args)

    def _refuse_other_derivative(self, X):
        """Compare the derivative with differences of func to either side, one of which may do."""
        # Of its own size, which keeps the sign of each value.
        step = _STEP * np.abs(X)
        with np.errstate(all="ignore"):
            below, at, above = (
                _values(self._transform(x, self.func, self.kw_args))
                for x in (X - step, X, X + step)
            )
            slopes = np.stack([(above - at) / step, (at - below) / step])
            stated = self._slopes(X)
            known = np.isfinite(slopes).all(0) & np.isfinite(stated)
            largest = np.maximum(np.abs(slopes), np.abs(stated))
            rounding = np.spacing(np.abs(at)) / step
            # Of a function with a kink one side is right.
            off = known & (np.abs(slopes - stated) > _TOLERANCE * largest + 4 * rounding).all(0)
            measured = slopes.mean(0)
        wrong = np.flatnonzero(off.sum(0) > _MOST_OFF * known.sum(0))
        if wrong.size:
            j = wrong[0]
            i = off[:, j].argmax()
            names = getattr(self, "feature_names_in_", None)
            raise InvalidParameterError(
                f"derivative is not that of func in column(s) {name_columns(wrong, names)}: at "
                f"{X[i, j]:.6g} it is {stated[i, j]:.6g}, where func rises by {measured[i, j]:.6g} "
                "per unit. Give the derivative of a func that takes each value by itself."
            )

    def _check_inverse_transform(self, X):
        Z = self._transform(X, self.func, self.kw_args)
        back = self._transform(Z, self.inverse_func, self.inv_kw_args)
        if not np.allclose(back, X, equal_nan=True):
            warnings.warn(
                "inverse_func does not lead back to what func was given, so samples are not those "
                "of the density. Give the inverse of func, or set check_inverse=False.",
                FlowkitWarning,
                stacklevel=4,
            )

    def _validate(self, X, reset):
        return validate_data(self, X, dtype=_REAL, reset=reset, ensure_all_finite="allow-nan")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.no_validation = False
        tags.input_tags.sparse = False
        tags.input_tags.allow_nan = True
        return tags

    def _slopes(self, values):
        slopes = np.asarray(self.derivative(values, **(self.kw_args or {})), dtype=np.float64)
        try:
            return np.broadcast_to(slopes, values.shape)
        except ValueError:
            raise InvalidParameterError(
                f"derivative returned shape {slopes.shape} for values of shape {values.shape}: it "
                "must give the derivative at each value."
            ) from None


def transform_rows(transformer, X):
    """Rows of the domain of a fitted transformer in its units, and the log-Jacobian of all.

    Parameters
    ----------
    transformer : object
        Fitted transformer, 'passthrough' or None.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows, float64. Left as they are even by transformers that work in place.

    Returns
    -------
    Z : ndarray or DataFrame of shape (n_inside, n_features)
        Those rows whose log-Jacobian is finite, transformed.
    log_det : ndarray of shape (n_samples,)
        ``log|det dz/dx|`` of each row in nats, ``-inf`` outside the domain.

    Raises
    ------
    InvalidParameterError
        If the transformer is not invertible, or its Jacobian is not known.
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        log_det = _log_abs_det(transformer, X)
        log_det[~np.isfinite(log_det)] = -np.inf
        inside = np.flatnonzero(np.isfinite(log_det))
        rows = _safe_indexing(X, inside)
        if not inside.size or _is_identity(transformer):
            return rows, log_det
        n_missing = np.isnan(_values(rows)).sum(1)
        Z = transformer.transform(rows)
    # Values that overflow, or that a function has no value for; missing values stay missing.
    values = _values(Z)
    kept = ~np.isinf(values).any(1) & (np.isnan(values).sum(1) == n_missing)
    if kept.all():
        return Z, log_det
    log_det[inside[~kept]] = -np.inf
    return _safe_indexing(Z, np.flatnonzero(kept)), log_det


def inverse_rows(transformer, Z):
    """Rows that a fitted transformer maps to Z, as an array; not finite outside its range.

    Raises
    ------
    InvalidParameterError
        If the transformer has no inverse.
    """
    if _is_identity(transformer):
        return Z
    if known := _INVERSES.get(type(transformer)):
        return known(transformer, Z)
    if not hasattr(transformer, "inverse_transform"):
        raise InvalidParameterError(
            f"{type(transformer).__name__} has no inverse_transform, which samples need."
        )
    return _values(transformer.inverse_transform(Z))


def _log_abs_det(transformer, X):
    """``log|det|`` of each row, anything not finite outside the domain."""
    own = getattr(transformer, "log_abs_det_jacobian", None)
    if own is None:
        return _known_log_abs_det(transformer, X)
    log_det = np.array(own(X), dtype=np.float64)
    if log_det.shape != (len(X),):
        raise InvalidDataError(
            f"{type(transformer).__name__}.log_abs_det_jacobian returned shape {log_det.shape}, "
            f"expected one value for each row: ({len(X)},)."
        )
    return log_det


def _known_log_abs_det(transformer, X):
    """``log|det|`` of each row under a transformer of a known class."""
    if _is_identity(transformer):
        return np.zeros(len(X))
    kind = type(transformer)
    if kind in _LOG_DETS:
        return _LOG_DETS[kind](transformer, X)
    base = next((base for base in kind.__mro__ if base in _LOG_DETS), None)
    if base is None:
        raise InvalidParameterError(
            f"the Jacobian of {kind.__name__} is not known, so densities after it have no units. "
            f"Supported are {_SUPPORTED}."
        )
    raise InvalidParameterError(
        f"{kind.__name__} is a subclass of {base.__name__} and may map rows in another way, so its "
        "Jacobian is not known and densities after it have no units. Give it a method "
        "log_abs_det_jacobian(X) that returns log|det dz/dx| of each row, or use "
        f"{base.__name__} itself."
    )


def _for(table, *kinds):
    """Put a function into a table for transformers of exactly these classes."""

    def register(function):
        table.update(dict.fromkeys(kinds, function))
        return function

    return register


@_for(_LOG_DETS, StandardScaler, MaxAbsScaler, RobustScaler)
def _(transformer, X):
    _refuse_clipping(transformer)
    scale = transformer.scale_
    return _row_sums(0.0 if scale is None else -np.log(scale), _values(X))


@_for(_LOG_DETS, MinMaxScaler)
def _(transformer, X):
    _refuse_clipping(transformer)
    return _row_sums(np.log(transformer.scale_), _values(X))


def _refuse_clipping(transformer):
    if getattr(transformer, "clip", False):
        raise InvalidParameterError(
            f"{type(transformer).__name__}(clip=True) maps all rows beyond the range of the "
            "training rows onto its edge, where a density has no inverse. Set clip=False."
        )


@_for(_LOG_DETS, PowerTransformer)
def _(transformer, X):
    values, lambdas = _values(X), transformer.lambdas_
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
    return _row_sums(np.where(inside, log_slopes, -np.inf), values)


@_for(_LOG_DETS, QuantileTransformer)
def _(transformer, X):
    raise InvalidParameterError(
        "QuantileTransformer is piecewise linear between quantiles of the training rows and flat "
        "beyond them: its Jacobian is a step function of the spacing of single training rows, "
        "zero or infinite where they repeat, and no density of new rows. Use PowerTransformer."
    )


@_for(_LOG_DETS, FunctionTransformer)
def _(transformer, X):
    if transformer.func is None:
        return np.zeros(len(X))
    values = _values(X)
    # By identity: not every callable has a hash.
    log_slope = next((s for func, s in _LOG_SLOPES.items() if func is transformer.func), None)
    if transformer.kw_args or log_slope is None:
        name = getattr(transformer.func, "__name__", repr(transformer.func))
        options = " with kw_args" if transformer.kw_args else ""
        raise InvalidParameterError(
            f"the derivative of {name}{options} in a FunctionTransformer is not known. Give it: "
            f"DifferentiableFunctionTransformer({name}, inverse_func, derivative)."
        )
    return _row_sums(log_slope(values), values)


@_for(_LOG_DETS, DifferentiableFunctionTransformer)
def _(transformer, X):
    values = _values(X)
    return _row_sums(np.log(np.abs(transformer._slopes(values))), values)


@_for(_LOG_DETS, PCA)
def _(transformer, X):
    n_kept, n_features = transformer.components_.shape
    if n_kept < n_features:
        raise InvalidParameterError(
            f"PCA keeps {n_kept} of {n_features} dimensions: what it drops has no density, so "
            "there is none of whole rows. Set n_components=None, with at least as many training "
            "rows as features."
        )
    # Components are orthonormal: a turn, and where they are whitened a division.
    if not transformer.whiten:
        return np.zeros(len(X))
    variance = transformer.explained_variance_
    # Below the second bound PCA divides by another number than it multiplies by on the way back.
    eps = np.finfo(np.float64).eps
    n_empty = int((variance <= max(n_features * eps * variance.max(), eps**2)).sum())
    if n_empty:
        raise InvalidParameterError(
            f"PCA(whiten=True) divides by the deviation of {n_empty} component(s) that have none: "
            f"the training rows span {n_features - n_empty} of {n_features} dimensions. Drop "
            "columns that repeat others, give more rows, or set whiten=False."
        )
    return np.full(len(X), -0.5 * np.log(variance).sum())


@_for(_LOG_DETS, Pipeline)
def _(transformer, X):
    log_det = np.zeros(len(X))
    inside = np.arange(len(X))
    for _, step in transformer.steps:
        X, of_step = transform_rows(step, X)
        log_det[inside] += of_step
        inside = inside[np.isfinite(of_step)]
    return log_det


@_for(_LOG_DETS, FrozenEstimator)
def _(transformer, X):
    return _log_abs_det(transformer.estimator, X)


@_for(_LOG_DETS, ColumnTransformer)
def _(transformer, X):
    parts = list(_parts(transformer))
    _refuse_other_than_partition(transformer, parts)
    _refuse_vanishing_weights(parts)
    log_det = np.zeros(len(X))
    for _, part, columns, weight in parts:
        block = _safe_indexing(X, columns, axis=1)
        log_det += transform_rows(part, block)[1]
        n_known = (~np.isnan(np.asarray(block, dtype=np.float64))).sum(1)
        log_det += n_known * np.log(np.abs(weight))
    return log_det


@_for(_INVERSES, PowerTransformer)
def _(transformer, Z):
    # scikit-learn's own inverse warns of values out of range, and loses digits near zero.
    if transformer.standardize:
        Z = transformer._scaler.inverse_transform(Z)
    lambdas = transformer.lambdas_
    if transformer.method == "box-cox":
        return special.inv_boxcox(Z, lambdas)
    powers = np.where(Z < 0, 2 - lambdas, lambdas)
    return np.copysign(special.inv_boxcox1p(np.abs(Z), powers), Z)


@_for(_INVERSES, FunctionTransformer, DifferentiableFunctionTransformer)
def _(transformer, Z):
    if transformer.func is None:
        return Z
    if transformer.inverse_func is None:
        raise InvalidParameterError(
            f"{type(transformer).__name__} has no inverse_func, which samples need."
        )
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return _values(transformer.inverse_transform(Z))


@_for(_INVERSES, Pipeline)
def _(transformer, Z):
    for _, step in reversed(transformer.steps):
        Z = inverse_rows(step, Z)
    return Z


@_for(_INVERSES, FrozenEstimator)
def _(transformer, Z):
    return inverse_rows(transformer.estimator, Z)


@_for(_INVERSES, ColumnTransformer)
def _(transformer, Z):
    X = np.empty_like(Z)
    for name, part, columns, weight in _parts(transformer):
        X[:, columns] = inverse_rows(part, Z[:, transformer.output_indices_[name]] / weight)
    return X


def _parts(transformer):
    """Name, fitted transformer, columns and weight of each part that has columns and keeps them."""
    weights = transformer.transformer_weights or {}
    for name, part, _ in transformer.transformers_:
        columns = transformer._transformer_to_input_indices[name]
        if len(columns) and not _is(part, "drop"):
            weight = weights.get(name)
            yield name, part, columns, 1.0 if weight is None else weight


def _refuse_other_than_partition(transformer, parts):
    used = [column for _, _, columns, _ in parts for column in columns]
    counts = np.bincount(np.array(used, dtype=int), minlength=transformer.n_features_in_)
    names = getattr(transformer, "feature_names_in_", None)
    dropped, repeated = np.flatnonzero(counts == 0), np.flatnonzero(counts > 1)
    if dropped.size:
        raise InvalidParameterError(
            f"ColumnTransformer drops column(s) {name_columns(dropped, names)}, so there is no "
            "density of whole rows. Keep them with remainder='passthrough', or take them out of X "
            "before."
        )
    if repeated.size:
        raise InvalidParameterError(
            f"ColumnTransformer uses column(s) {name_columns(repeated, names)} more than once, so "
            "its output has more dimensions than X and no density there. Give each column to one "
            "transformer."
        )


def _refuse_vanishing_weights(parts):
    for name, _, _, weight in parts:
        if not (np.isfinite(weight) and weight):
            raise InvalidParameterError(
                f"ColumnTransformer multiplies the columns of {name!r} by transformer_weights of "
                f"{weight}, which has no inverse. Give a finite weight other than 0."
            )


def _refuse_lost_digits(transformer):
    """Powers far from zero leave of rows far from zero the same number."""
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


def _is(step, word):
    return isinstance(step, str) and step == word


def _is_identity(transformer):
    return transformer is None or _is(transformer, "passthrough")


def _values(X):
    return np.asarray(X, dtype=np.float64)


def _row_sums(log_slopes, values):
    """Sum over the columns of each row; a missing value has no share in it."""
    return np.where(np.isnan(values), 0.0, log_slopes).sum(1)

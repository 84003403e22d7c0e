"""A transformer that brings the derivative of its function along."""

from __future__ import annotations

import numpy as np
from sklearn.base import _fit_context
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.metaestimators import available_if

from ..exceptions import FlowkitWarning, InvalidParameterError
from ..validation import SuggestingEstimator, check_array, name_columns, validate_data, warn
from ._jacobians import values_of

# Rows on which a derivative is compared with differences, their relative step, how far off they
# may be, and in what share of the rows they may be further off.
_N_CHECKED, _STEP, _TOLERANCE, _MOST_OFF = 100, 1e-4, 0.1, 0.05

_REAL = (np.float64, np.float32)


class DifferentiableFunctionTransformer(SuggestingEstimator, FunctionTransformer):
    """A function of each value together with its inverse and its derivative.

    `TransformedDensity` needs the derivative of a function. In a plain
    `sklearn.preprocessing.FunctionTransformer` it knows that of numpy's ``log``, ``log2``,
    ``log10``, ``log1p``, ``exp``, ``expm1``, ``sqrt``, ``cbrt``, ``sinh``, ``arcsinh``, ``tanh``,
    ``arctanh`` and of scipy's ``logit`` and ``expit``; give any other function here.

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
        slopes = self._slopes(values_of(X))
        folded = np.flatnonzero((slopes > 0).any(0) & (slopes < 0).any(0))
        if folded.size:
            names = getattr(self, "feature_names_in_", None)
            raise InvalidParameterError(
                f"derivative has both signs in column(s) {name_columns(folded, names)}, so func "
                "takes some values twice and has no density of one row. Give a function that "
                "rises, or falls, all the way."
            )
        self._refuse_other_derivative(values_of(X[:: max(1, len(X) // _N_CHECKED)]))
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
                values_of(self._transform(x, self.func, self.kw_args))
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
            warn(
                "inverse_func does not lead back to what func was given, so samples are not those "
                "of the density. Give the inverse of func, or set check_inverse=False.",
                FlowkitWarning,
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

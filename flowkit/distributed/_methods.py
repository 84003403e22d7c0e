"""What methods of estimators give a chunk of rows: how many numbers each, and of which type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..exceptions import InvalidParameterError

# Those that give one number a row, and its type; the others give one for each column.
_SINGLE = {"score_samples": float, "decision_function": float, "predict": np.int64}
_SEVERAL = ("transform",)


@dataclass(frozen=True)
class Method:
    """A method of a fitted estimator.

    Parameters
    ----------
    name : str
        Its name.
    columns : tuple of str or None
        Names of the numbers that it gives a row; None if it gives one.
    """

    name: str
    columns: tuple[str, ...] | None

    @classmethod
    def of(cls, estimator, name: str) -> Method:
        """A method that an estimator has.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        name : {'score_samples', 'decision_function', 'predict', 'transform'}
            Name of the method.

        Raises
        ------
        InvalidParameterError
            If there is no such method, or the estimator does not have it.
        NotFittedError
            If the estimator is not fitted.
        """
        known = [*_SINGLE, *_SEVERAL]
        if name not in known:
            raise InvalidParameterError(f"method must be one of {known}, got {name!r}.")
        if not hasattr(estimator, name):
            raise InvalidParameterError(
                f"{type(estimator).__name__} has no method {name!r}: give an estimator that has "
                "it, such as FlowDensity for scores and latents or DensityOutlierDetector for "
                "decisions."
            )
        check_is_fitted(estimator)
        if name in _SINGLE:
            return cls(name, None)
        return cls(name, tuple(map(str, estimator.get_feature_names_out())))

    def of_rows(self, estimator, X) -> np.ndarray:
        """What an estimator gives a chunk of rows, perhaps of none.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like or DataFrame of shape (n, n_features)
            The chunk.

        Returns
        -------
        ndarray of shape (n,) or (n, n_columns)
            Numbers.
        """
        if not len(X):
            return self.empty(X)
        return np.asarray(getattr(estimator, self.name)(X), dtype=self._dtype(X))

    def empty(self, X) -> np.ndarray:
        """What no rows give, with the type that rows like those of X give."""
        shape = (0,) if self.columns is None else (0, len(self.columns))
        return np.empty(shape, dtype=self._dtype(X))

    def _dtype(self, X):
        if self.columns is None:
            return np.dtype(_SINGLE[self.name])
        dtypes = set(X.dtypes) if hasattr(X, "dtypes") else {getattr(X, "dtype", None)}
        return np.dtype(np.float32 if dtypes == {np.dtype(np.float32)} else np.float64)

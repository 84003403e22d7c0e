"""What the views of a table have in common: a table of numbers, weights, and their validation."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils.validation import check_is_fitted

from ...validation import SuggestingEstimator, row_weights, validate_data

_MIN_ROWS = 2


class View(SuggestingEstimator):
    """A way to look at rows: how well they belong, in nats.

    Subclasses implement `_fit` and `score_samples`.
    """

    _parameter_constraints: dict = {}

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, sample_weight=None):
        """Learn from rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            At least two rows of finite numbers.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            How many rows each one stands for; rows of weight zero are left out.

        Returns
        -------
        self : object
            The fitted view.

        Raises
        ------
        InvalidDataError
            If fewer than two rows have a positive weight.
        """
        with self._unchanged_on_failure():
            X = validate_data(self, X, dtype=np.float64, ensure_min_samples=_MIN_ROWS)
            weight = None
            if sample_weight is not None:
                weight = row_weights(sample_weight, len(X), _MIN_ROWS)
                kept = weight > 0
                X, weight = X[kept], weight[kept]
            self._fit(X, weight)
        return self

    def _read(self, X):
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False)

    @abstractmethod
    def _fit(self, X, weight):
        """Learn from rows (n_samples, n_features) of positive weight, None for equal ones."""


class LeaveOneOutView(View):
    """A view in which a training row is as strange as if it had not been in training.

    So is any row that equals one; of repeats, one is left out. So scores of training rows compare
    with those of new rows, and equal rows have equal scores.

    Subclasses implement `_fit` and `_score_without`.
    """

    def score_samples(self, X):
        """How well each row belongs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of finite numbers.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            In nats: the lower, the stranger.
        """
        X = self._read(X)
        return self._score_without(X, X)

    def _score_copies(self, copies, rows, n_draws=None):
        """Scores of changed copies of rows, as if the rows had not been in training."""
        copies, rows = self._read(copies), self._read(rows)
        return self._score_without(copies, np.repeat(rows, len(copies) // len(rows), axis=0))

    @abstractmethod
    def _score_without(self, X, rows):
        """Scores of X, (n,), each as if the row beside it had not been in training."""

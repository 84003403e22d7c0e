"""Estimators that are fitted once, for all tests that only read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator


class FittedOnce:
    """What a function fits, once for the same arguments.

    Parameters
    ----------
    fit : callable
        Returns a fitted estimator.
    rows : ndarray
        By their scores it is seen whether a test has changed an estimator.
    """

    def __init__(self, fit: Callable[..., BaseEstimator], rows: np.ndarray):
        self._fit, self._rows, self._kept = fit, rows, {}

    def __call__(self, *args, **options) -> BaseEstimator:
        key = (args, tuple(sorted(options.items())))
        if key not in self._kept:
            estimator = self._fit(*args, **options)
            self._kept[key] = estimator, estimator.score_samples(self._rows)
        return self._kept[key][0]

    def check(self) -> None:
        """Fail where a test has changed an estimator that others read."""
        for key, (estimator, scores) in self._kept.items():
            now = estimator.score_samples(self._rows)
            np.testing.assert_array_equal(now, scores, f"a test has changed {key}")

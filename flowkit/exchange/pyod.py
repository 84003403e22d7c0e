"""Detectors of PyOD made of densities, and scores of PyOD's detectors for flowkit's."""

from __future__ import annotations

import functools

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from .._optional import require
from ..exceptions import InvalidParameterError
from ..validation import SuggestingEstimator

# What rows of density zero score, large but with squares and sums that are finite.
_STRANGEST = 1e100


def to_pyod(estimator, contamination: float = 0.1):
    """A detector of PyOD that scores rows by a density or a detector of flowkit.

    Parameters
    ----------
    estimator : estimator with ``score_samples``
        Such as `DensityOutlierDetector` or `FlowDensity`; cloned when the detector is fitted.
    contamination : float, default=0.1
        Share of the training rows above the threshold, in (0, 0.5].

    Returns
    -------
    pyod.models.base.BaseDetector
        Not fitted, with the parameters `estimator` and `contamination`. Its `decision_function` is
        minus `score_samples`: larger is more anomalous, as everywhere in PyOD. `fit` sets
        `estimator_`, the fitted estimator, and PyOD's `decision_scores_`, `threshold_` and
        `labels_`.

    Raises
    ------
    InvalidParameterError
        If the estimator has no ``score_samples``.
    MissingDependencyError
        If the package pyod is not installed.

    Notes
    -----
    The threshold is PyOD's, of scores of training rows: that of a `DensityOutlierDetector` has no
    effect. Rows of density zero score 1e100, since PyOD takes means and squares of scores.

    Examples
    --------
    >>> import numpy as np
    >>> import pytest
    >>> from sklearn.neighbors import KernelDensity
    >>> from flowkit.exchange import to_pyod
    >>> _ = pytest.importorskip("pyod")
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> detector = to_pyod(KernelDensity(), contamination=0.05).fit(X)
    >>> detector.predict([[0.0, 0.0], [6.0, 6.0]])
    array([0, 1])
    """
    if not hasattr(estimator, "score_samples"):
        raise InvalidParameterError(
            f"expected an estimator with score_samples, got {type(estimator).__name__}: give a "
            "density, or a DensityOutlierDetector."
        )
    return _detector_class()(estimator, contamination)


@functools.cache
def _detector_class() -> type:
    """The class of these detectors, whose base class is an optional package's."""
    base = require("pyod.models.base", "to_pyod").BaseDetector

    class PyODDetector(base):
        """A detector of PyOD, as `to_pyod` returns it."""

        def __init__(self, estimator, contamination=0.1):
            super().__init__(contamination=contamination)
            self.estimator = estimator

        def fit(self, X, y=None):
            """Fit the estimator and set scores, threshold and labels of its rows; returns self."""
            self._set_n_classes(y)
            self.estimator_ = clone(self.estimator).fit(X)
            self.decision_scores_ = self.decision_function(X)
            self._process_decision_scores()
            return self

        def decision_function(self, X):
            """Anomaly scores of rows, shape (n_samples,): the larger, the stranger."""
            check_is_fitted(self, "estimator_")
            return np.minimum(-np.asarray(self.estimator_.score_samples(X)), _STRANGEST)

    # Pickles look for the class by its name in this module.
    PyODDetector.__qualname__ = PyODDetector.__name__
    return PyODDetector


def __getattr__(name):
    if name == "PyODDetector":
        return _detector_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class PyODScores(SuggestingEstimator, BaseEstimator):
    """Scores of a detector of PyOD where flowkit takes a density.

    `DensityOutlierDetector` gives any such detector thresholds on rows held out, p-values and
    explanations, and combines several by their ranks, with densities too.

    Parameters
    ----------
    detector : detector of PyOD
        Anything with ``fit`` and ``decision_function``, of which larger is stranger; cloned.

    Attributes
    ----------
    detector_ : detector of PyOD
        The fitted detector.
    n_features_in_ : int
        Number of columns of X.

    Notes
    -----
    Scores are *no* log densities: they have no units and integrate to nothing. Do not compare
    them with log densities, nor put them into a `StackedDensity`. Detectors that know training
    rows again, such as nearest neighbours, find these less strange than new rows: set
    ``calibrate='cv'`` or ``calibrate=True``.

    Examples
    --------
    >>> import numpy as np
    >>> import pytest
    >>> from flowkit import DensityOutlierDetector
    >>> from flowkit.exchange import PyODScores
    >>> ECOD = pytest.importorskip("pyod.models.ecod").ECOD
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> detector = DensityOutlierDetector(PyODScores(ECOD()), calibrate=True, random_state=0)
    >>> bool(detector.fit(X).p_values([[8.0, 8.0]])[0] < 0.05)
    True
    """

    _parameter_constraints: dict = {"detector": [HasMethods(["fit", "decision_function"])]}

    def __init__(self, detector):
        self.detector = detector

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Fit the detector.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as the detector takes them.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self.detector_ = clone(self.detector).fit(X)
        self.n_features_in_ = np.shape(X)[1]
        return self

    def score_samples(self, X):
        """Minus the anomaly score of each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            The lower, the stranger; in the units of the detector, no log density.
        """
        check_is_fitted(self)
        return -np.asarray(self.detector_.decision_function(X), dtype=np.float64)

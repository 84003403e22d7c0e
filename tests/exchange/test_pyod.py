"""Detectors of PyOD made of densities, and the other way round."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector
from flowkit.exceptions import InvalidParameterError
from flowkit.exchange import PyODScores, to_pyod

X = np.random.default_rng(0).normal(size=(100, 2))
# The last has a density of zero.
NEW = np.array([[0.0, 0.0], [4.5, 0.0], [1e3, 0.0]])


class Distances(KernelDensity):
    """A detector as PyOD has them, without PyOD."""

    def decision_function(self, X):
        return np.abs(np.asarray(X) - self.tree_.get_arrays()[0].mean(0)).sum(1)


class Bounded(KernelDensity):
    """A density of compact support."""

    def __init__(self, bandwidth=3.0, kernel="epanechnikov"):
        super().__init__(bandwidth=bandwidth, kernel=kernel)


@pytest.fixture(scope="module")
def base():
    return pytest.importorskip("pyod.models.base")


@pytest.mark.parametrize(
    "estimator", [Bounded(), DensityOutlierDetector(Bounded())], ids=lambda e: type(e).__name__
)
def test_a_density_as_a_detector_of_pyod(base, estimator):
    detector = to_pyod(estimator, contamination=0.1)
    assert isinstance(detector, base.BaseDetector)
    assert detector.fit(X) is detector
    assert not hasattr(estimator, "n_features_in_")
    scores = detector.decision_function(NEW)
    assert np.isfinite(scores).all()
    assert (np.diff(scores) > 0).all()
    np.testing.assert_array_equal(scores[:2], -detector.estimator_.score_samples(NEW[:2]))
    np.testing.assert_array_equal(detector.decision_scores_, detector.decision_function(X))
    assert detector.labels_.mean() == pytest.approx(0.1)
    np.testing.assert_array_equal(detector.labels_, detector.decision_scores_ > detector.threshold_)
    assert detector.predict(NEW).tolist() == [0, 1, 1]
    assert np.isfinite(detector.predict_proba(NEW)).all()


def test_copies_and_pickles(base):
    detector = to_pyod(KernelDensity(), contamination=0.2).fit(X)
    copy = clone(detector)
    assert copy.get_params() == {**detector.get_params(), "estimator": copy.estimator}
    loaded = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(loaded.decision_function(X), detector.decision_scores_)


def test_what_does_not_score_is_refused():
    with pytest.raises(InvalidParameterError, match="score_samples"):
        to_pyod(object())
    with pytest.raises(InvalidParameterError, match="detector"):
        PyODScores(KernelDensity()).fit(X)


@pytest.mark.parametrize("calibrate", [False, True, "cv"])
def test_scores_of_a_detector_within_ours(calibrate):
    given = PyODScores(Distances())
    detector = DensityOutlierDetector(given, calibrate=calibrate, random_state=0).fit(X)
    within = detector.densities_[0].detector_
    np.testing.assert_array_equal(detector.score_samples(NEW), -within.decision_function(NEW))
    assert detector.predict(NEW).tolist() == [1, -1, -1]
    if calibrate:
        assert (np.diff(detector.p_values(NEW)) <= 0).all()
    assert not hasattr(given, "detector_")


def test_detectors_of_pyod_are_combined_with_densities(base):
    ecod = pytest.importorskip("pyod.models.ecod").ECOD()
    detector = DensityOutlierDetector([PyODScores(ecod), KernelDensity()]).fit(X)
    assert detector.predict(NEW).tolist() == [1, -1, -1]
    assert detector.explain(NEW[1:]).argmax(1).tolist() == [0, 0]

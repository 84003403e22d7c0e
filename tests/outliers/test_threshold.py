"""The threshold: which share of which rows lies below it, in fit and set anew."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.outliers._threshold import training_threshold

from ..table import DETECTORS
from .examples import Known, rows

every_detector = pytest.mark.parametrize("build", DETECTORS.values(), ids=DETECTORS)
# Rows further out than 2 are impossible.
HALF_OPEN = Known(lambda X: np.where(np.abs(X[:, 0]) < 2, -(X[:, 0] ** 2), -np.inf))


@pytest.mark.parametrize("share", [0.0, 0.003, 0.05, 0.145, 0.29, 1 / 3, 0.5])
@pytest.mark.parametrize("n", [1, 7, 100, 199, 200])
def test_as_many_rows_lie_below_as_the_share_allows(n, share):
    scores = np.random.default_rng(n).normal(size=n)
    below = scores < training_threshold(scores, share)
    assert below.sum() == math.floor(n * share + 1e-9)
    assert training_threshold(scores[::-1], share) == training_threshold(scores, share)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.5])
def test_thresholds_are_finite_whatever_is_impossible(share):
    scores = np.r_[np.full(40, -np.inf), np.arange(60.0)]
    threshold = training_threshold(scores, share)
    assert threshold == pytest.approx(max(0, round(100 * share) - 40), abs=1e-6)
    assert np.isfinite(training_threshold(np.full(9, -np.inf), share))


@every_detector
def test_training_scores_are_those_of_the_rows(build):
    X = rows(120)
    detector = build().fit(X)
    np.testing.assert_allclose(detector.training_scores_, detector.score_samples(X), atol=1e-7)
    below = detector.training_scores_ < detector.offset_
    np.testing.assert_array_equal(below, detector.predict(X) == -1)
    assert below.sum() == 6


@every_detector
def test_trimmed_rows_have_training_scores_too(build):
    X = rows(120)
    detector = build(trim=0.1).fit(X)
    np.testing.assert_allclose(detector.training_scores_, detector.score_samples(X), atol=1e-7)


def test_training_scores_of_a_calibrated_detector_are_those_of_the_rows_trained_on():
    X = rows()
    detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0).fit(X)
    seen = np.asarray(detector.densities_[0].tree_.data)
    trained = X[(X[:, None] == seen).all(2).any(1)]
    np.testing.assert_allclose(detector.training_scores_, detector.score_samples(trained))


@every_detector
def test_of_clean_rows_none_is_an_outlier(build):
    X = rows(120)
    detector = build(contamination=0).fit(X)
    assert (detector.predict(X) == 1).all()
    lowest = detector.training_scores_.min()
    assert lowest - 1e-5 < detector.offset_ < lowest
    assert (detector.predict([[30.0, -30.0, 30.0]]) == -1).all()


@pytest.mark.parametrize("calibrate", [True, "cv"])
@every_detector
def test_of_clean_rows_no_calibration_row_is_an_outlier(build, calibrate):
    detector = build(contamination=0, calibrate=calibrate).fit(rows(60))
    lowest = detector.calibration_scores_[0]
    assert lowest - 1e-5 < detector.offset_ < lowest
    far = [[30.0, -30.0, 30.0]]
    assert (detector.predict(far) == -1).all()
    assert detector.p_values(far) == 1 / (1 + len(detector.calibration_scores_))


def test_impossible_rows_are_outliers_among_clean_ones_too():
    X = np.r_[rows(100, 1), [[9.0]]]
    detector = DensityOutlierDetector(HALF_OPEN, contamination=0).fit(X)
    np.testing.assert_array_equal(detector.predict(X) == -1, np.abs(X[:, 0]) >= 2)
    assert detector.offset_ == pytest.approx(-(X[np.abs(X) < 2] ** 2).max(), abs=1e-5)
    calibrated = DensityOutlierDetector(
        HALF_OPEN, contamination=0, calibrate=True, calibration_fraction=0.9, random_state=0
    )
    with pytest.raises(InvalidDataError, match=r"density of zero, more than .* rate of 0"):
        calibrated.fit(X)


def test_one_calibration_row_is_enough_for_a_rate_of_zero():
    detector = DensityOutlierDetector(
        KernelDensity(), contamination=0, calibrate=True, calibration_fraction=0.01
    )
    assert len(detector.fit(rows(100)).calibration_scores_) == 1
    with pytest.raises(InvalidDataError, match="rate of 0 needs at least 1 calibration rows"):
        detector.fit(rows(10))


@pytest.mark.parametrize("contamination", [0, 0.013, 0.05, 0.29, 0.5])
@every_detector
def test_a_threshold_set_later_is_that_of_the_fit(build, contamination):
    X = rows(100)
    fitted = build(contamination=contamination).fit(X)
    later = build(contamination=0.11).fit(X)
    assert later.set_threshold(contamination=contamination) is later
    assert later.offset_ == fitted.offset_
    np.testing.assert_array_equal(later.predict(X), fitted.predict(X))


@pytest.mark.parametrize("rate", [0, 0.05, 0.3, 0.5])
@pytest.mark.parametrize("calibrate", [True, "cv"])
@every_detector
def test_a_rate_set_later_is_that_of_the_fit(build, calibrate, rate):
    X = rows(100)
    fitted, later = (
        build(contamination=share, calibrate=calibrate).set_params(random_state=0).fit(X)
        for share in (rate, 0.2)
    )
    later.set_threshold(rate=rate)
    assert later.offset_ == fitted.offset_


def test_of_a_calibrated_detector_the_share_of_training_rows_can_be_set():
    detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0).fit(rows())
    detector.set_threshold(contamination=0.1)
    assert (detector.training_scores_ < detector.offset_).sum() == 15


def test_a_score_is_the_threshold_itself():
    X = rows()
    detector = DensityOutlierDetector(GaussianMixture()).fit(X).set_threshold(score=-5)
    assert detector.offset_ == -5.0
    np.testing.assert_array_equal(detector.predict(X) == -1, detector.score_samples(X) < -5)
    assert detector.fit(X).offset_ != -5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one .* got none"),
        ({"rate": 0.1, "score": 0.0}, "got rate and score"),
        ({"contamination": 0.6}, r"contamination must be .* \[0, 0.5\], got 0.6"),
        ({"contamination": "auto"}, "contamination must be .* got 'auto'"),
        ({"rate": -0.1}, "rate must be"),
        ({"rate": True}, "rate must be"),
        ({"rate": 0.001}, "rate=0.001 needs at least 999 calibration rows, but there are 50"),
        ({"rate": 5e-324}, "needs at least .* calibration rows, but there are 50"),
        ({"score": 10**400}, "score must be a finite number"),
        ({"score": -np.inf}, "score must be a finite number"),
        ({"score": np.nan}, "score must be a finite number, got nan"),
        ({"score": "low"}, "score must be a finite number"),
    ],
    ids=str,
)
def test_impossible_thresholds_are_refused(options, message):
    detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0).fit(rows())
    before = detector.offset_
    with pytest.raises(InvalidParameterError, match=message):
        detector.set_threshold(**options)
    assert detector.offset_ == before


def test_rates_need_calibration_rows():
    detector = DensityOutlierDetector(KernelDensity())
    with pytest.raises(NotFittedError):
        detector.set_threshold(rate=0.1)
    with pytest.raises(InvalidParameterError, match="calibrate=True or calibrate='cv'"):
        detector.fit(rows()).set_threshold(rate=0.1)

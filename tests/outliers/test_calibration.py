"""P-values of calibrated detectors, and the predictions that agree with them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector
from flowkit.exceptions import InvalidDataError, InvalidParameterError

from .examples import rows


def test_p_values_keep_their_promise():
    """The share of false alarms at most the level, whatever the density, and hardly less."""
    levels = np.array([0.02, 0.05, 0.1, 0.3, 0.5, 0.9])
    rng = np.random.default_rng(0)
    shares = []
    for seed in range(80):
        detector = DensityOutlierDetector(
            GaussianMixture(2), calibrate=True, calibration_fraction=0.5, random_state=seed
        ).fit(rng.standard_t(3, size=(158, 2)))
        p = detector.p_values(rng.standard_t(3, size=(500, 2)))
        shares.append((p[:, None] <= levels).mean(0))
    shares = np.array(shares)
    error = 3 * shares.std(0) / np.sqrt(len(shares))
    assert (shares.mean(0) <= levels + error).all()
    # 79 calibration rows make p-values multiples of 1 / 80.
    exact = np.floor(levels * 80 + 1e-9) / 80
    assert (shares.mean(0) >= exact - error).all()


@pytest.mark.parametrize(
    ("rate", "n_calibration"), [("auto", 60), (0.3, 60), (0.29, 99), (0.145, 199), (1 / 161, 160)]
)
def test_predictions_agree_with_p_values(rate, n_calibration):
    detector = DensityOutlierDetector(
        GaussianMixture(),
        contamination=rate,
        calibrate=True,
        calibration_fraction=0.5,
        random_state=0,
    ).fit(rows(2 * n_calibration, 2))
    assert len(detector.calibration_scores_) == n_calibration
    new = np.vstack([rows(2000, 2, seed=1), detector.densities_[0].means_])
    level = 0.05 if rate == "auto" else rate
    alarms = detector.p_values(new) <= level
    np.testing.assert_array_equal(detector.predict(new) == -1, alarms)
    assert 0 < alarms.mean() < 2 * level


def test_p_values_count_the_row_itself():
    detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0).fit(rows())
    assert len(detector.calibration_scores_) == 50
    assert detector.p_values([[99.0, 0, 0]])[0] == pytest.approx(1 / 51)
    assert detector.p_values(np.zeros((1, 3)))[0] == pytest.approx(1.0, abs=0.1)


def test_calibration_rows_are_not_seen_in_training():
    X = rows()
    detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0).fit(X)
    seen = np.asarray(detector.densities_[0].tree_.data)
    held = X[~(X[:, None] == seen).all(2).any(1)]
    assert len(held) == 50
    np.testing.assert_allclose(np.sort(detector.score_samples(held)), detector.calibration_scores_)


def test_too_few_rows_for_a_rate_are_refused():
    message = "0.01 needs at least 99 calibration rows.*0.25 of 200 rows are 50"
    with pytest.raises(InvalidDataError, match=message):
        DensityOutlierDetector(KernelDensity(), calibrate=True, contamination=0.01).fit(rows())


def test_refitted_without_calibration_nothing_is_left_of_it():
    X = rows()
    detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0).fit(X)
    detector.set_params(calibrate=False).fit(X)
    assert not hasattr(detector, "calibration_scores_")
    assert not hasattr(detector, "p_values")
    with pytest.raises((NotFittedError, InvalidParameterError), match="calibrate"):
        detector.set_params(calibrate=True).p_values(X)

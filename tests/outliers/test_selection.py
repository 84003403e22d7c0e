"""Rows found at a false discovery rate."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector
from flowkit.exceptions import FewCalibrationRowsWarning, InvalidParameterError
from flowkit.outliers._discoveries import benjamini_hochberg

from ..table import DETECTORS
from .examples import rows


def calibrated(n=400, **options):
    options = {"calibrate": True, "calibration_fraction": 0.5, "random_state": 0, **options}
    return DensityOutlierDetector(KernelDensity(), **options).fit(rows(n, 2))


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_found_are_those_of_small_adjusted_p_values(seed, alpha):
    if not hasattr(stats, "false_discovery_control"):
        pytest.skip("scipy has adjusted p-values from version 1.11 on")
    rng = np.random.default_rng(seed)
    p = np.r_[rng.uniform(size=50), rng.beta(0.1, 3, size=rng.integers(1, 40))]
    expected = stats.false_discovery_control(p, method="bh") <= alpha
    np.testing.assert_array_equal(benjamini_hochberg(p, alpha), expected)
    assert expected.any() or alpha < 0.1


@pytest.mark.parametrize("n", [9, 10, 99, 700])
def test_p_values_at_the_bound_are_found(n):
    """Of one row in n, the least p-value of all calibration rows may do, but no larger one."""
    p = np.full(n, 1.0)
    for k in (1, n // 2):
        p[:k] = 0.1 * k / n
        assert benjamini_hochberg(p, 0.1).sum() == k
        p[:k] *= 1 + 1e-9
        assert not benjamini_hochberg(p, 0.1).any()


def test_false_discoveries_are_as_rare_as_stated():
    rng = np.random.default_rng(0)
    false, power = [], []
    for seed in range(60):
        detector = DensityOutlierDetector(
            KernelDensity(), calibrate=True, calibration_fraction=0.7, random_state=seed
        ).fit(rng.normal(size=(400, 2)))
        X = rng.normal(size=(200, 2))
        X[:30] += 4
        found = detector.select(X, alpha=0.2)
        false.append(found[30:].sum() / max(1, found.sum()))
        power.append(found[:30].mean())
    error = 3 * np.std(false) / np.sqrt(len(false))
    # With 15 % of outliers the procedure keeps 85 % of the rate.
    assert 0.1 < np.mean(false) <= 0.85 * 0.2 + error
    assert np.mean(power) > 0.8


@pytest.mark.parametrize("calibrate", [True, "cv"])
@pytest.mark.parametrize("build", DETECTORS.values(), ids=DETECTORS)
def test_the_strangest_are_found_and_more_at_a_higher_rate(build, calibrate):
    detector = build(calibrate=calibrate, calibration_fraction=0.5).fit(rows(120))
    X = np.r_[rows(30, seed=1), 20 + rows(20, seed=2)]
    before = np.zeros(50, dtype=bool)
    for alpha in (0.1, 0.3, 0.9):
        found = detector.select(X, alpha)
        assert found.dtype == bool
        assert found.shape == (50,)
        assert (found >= before).all()
        p = detector.p_values(X)
        assert p[found].max() < p[~found].min(initial=2.0)
        before = found
    assert detector.select(X, 0.1)[30:].all()


def test_clean_rows_are_left_alone():
    assert calibrated().select(np.zeros((5, 2))).sum() == 0


def test_too_few_calibration_rows_to_find_single_rows_are_told():
    detector = calibrated(100)
    X = np.r_[np.zeros((97, 2)), np.full((3, 2), 50.0)]
    message = r"3 of 100 row.* all 50 calibration rows.* at least 333 calibration rows"
    with pytest.warns(FewCalibrationRowsWarning, match=message):
        assert not detector.select(X, alpha=0.1).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Enough calibration rows, enough strange rows, or no strange rows.
        assert calibrated(668).select(X, alpha=0.1).sum() == 3
        assert detector.select(X[-20:], alpha=0.5)[-3:].all()
        assert not detector.select(X[:50], alpha=0.1).any()


@pytest.mark.parametrize("alpha", [0, 1, -0.1, "0.1", None])
def test_impossible_rates_are_refused(alpha):
    with pytest.raises(InvalidParameterError, match=r"alpha must be a number in \(0, 1\)"):
        calibrated().select(np.zeros((1, 2)), alpha)


def test_selection_needs_calibration():
    assert not hasattr(DensityOutlierDetector(KernelDensity()), "select")
    with pytest.raises(AttributeError) as error:
        DensityOutlierDetector(KernelDensity()).fit(rows()).select(rows())
    assert "calibrate=True or calibrate='cv'" in str(error.value.__cause__)
    with pytest.raises(NotFittedError):
        DensityOutlierDetector(KernelDensity(), calibrate="cv").select(rows())
    fitted = DensityOutlierDetector(KernelDensity()).fit(rows()).set_params(calibrate=True)
    with pytest.raises(InvalidParameterError, match="calibrate was False"):
        fitted.select(rows())

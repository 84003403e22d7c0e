"""Calibration by folds: each row is scored by densities that have not seen it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector
from flowkit.exceptions import InvalidDataError
from flowkit.outliers._calibration import folds

from ..table import DETECTORS
from .examples import mixed_table, rows
from .test_containers import table_pipeline


class Memory(BaseEstimator):
    """Scores rows that it was fitted to by 1, and others by minus the number of the former."""

    def fit(self, X, y=None):
        self.seen_ = X
        return self

    def score_samples(self, X):
        seen = (X[:, None] == self.seen_).all(2).any(1)
        return np.where(seen, 1.0, -float(len(self.seen_)))


class Counted(BaseEstimator):
    """Scores rows by their first column in a first fit, then by the number of rows fitted."""

    def fit(self, X, y=None):
        self.n_ = len(X)
        return self

    def score_samples(self, X):
        return X[:, 0] if self.n_ in (160, 200) else np.full(len(X), float(self.n_))


def cross(density, **options):
    return DensityOutlierDetector(density, calibrate="cv", random_state=0, **options)


@pytest.mark.parametrize("n", [19, 100, 203])
def test_rows_are_scored_by_fits_without_them(n):
    X = rows(n)
    detector = cross(Memory()).fit(X)
    n_fold = -detector.out_of_fold_scores_
    # All other folds were seen: as many rows are scored by a fit as it lacks.
    numbers, counts = np.unique(n - n_fold, return_counts=True)
    assert (counts % numbers == 0).all()
    assert set(numbers) <= {n // 5, -(-n // 5)}
    # New rows are scored by a fit to all of them.
    assert (detector.training_scores_ == 1).all()
    assert (detector.score_samples(rows(9, seed=1)) == -n).all()


def test_every_fit_trims_rows_of_its_own():
    trimmed = cross(Counted(), trim=0.1).fit(rows(200))
    assert (trimmed.out_of_fold_scores_ == 144).all()
    assert (trimmed.training_scores_ == 180).all()


@pytest.mark.parametrize("build", DETECTORS.values(), ids=DETECTORS)
def test_no_row_is_lost(build):
    X = rows(60)
    detector = build(calibrate="cv", contamination=0.1).set_params(random_state=0).fit(X)
    np.testing.assert_array_equal(
        detector.calibration_scores_, np.sort(detector.out_of_fold_scores_)
    )
    assert detector.out_of_fold_scores_.shape == (60,)
    assert np.isfinite(detector.out_of_fold_scores_).all()
    assert detector.training_scores_.shape == (60,)
    new = np.vstack([rows(300, seed=1), 3 * rows(100, seed=2)])
    np.testing.assert_array_equal(detector.predict(new) == -1, detector.p_values(new) <= 0.1)
    again = clone(detector).fit(X)
    np.testing.assert_array_equal(again.out_of_fold_scores_, detector.out_of_fold_scores_)


def test_densities_are_fitted_to_all_rows():
    X = rows()
    detector = cross(KernelDensity()).fit(X)
    np.testing.assert_allclose(
        detector.score_samples(X), KernelDensity().fit(X).score_samples(X), rtol=1e-12
    )


@pytest.mark.slow
def test_p_values_are_valid_and_hardly_more():
    levels = np.array([0.05, 0.1, 0.3, 0.5, 0.9])
    rng = np.random.default_rng(0)
    shares = []
    for seed in range(60):
        detector = DensityOutlierDetector(
            GaussianMixture(2), calibrate="cv", random_state=seed
        ).fit(rng.standard_t(3, size=(99, 2)))
        p = detector.p_values(rng.standard_t(3, size=(400, 2)))
        shares.append((p[:, None] <= levels).mean(0))
    shares = np.array(shares)
    error = 3 * shares.std(0) / np.sqrt(len(shares))
    assert (shares.mean(0) <= levels + error).all()
    assert (shares.mean(0) >= 0.75 * levels - error).all()


def test_the_share_held_out_has_no_effect():
    X = rows(80)
    few, many = (cross(KernelDensity(), calibration_fraction=f).fit(X) for f in (0.01, 0.99))
    assert few.offset_ == many.offset_


def test_tables_are_split_as_they_are():
    X = mixed_table()
    detector = cross(table_pipeline()).fit(X)
    assert detector.out_of_fold_scores_.shape == (len(X),)
    assert (detector.p_values(X[:2].assign(size=[9.0, -9.0])) < 0.02).all()


@pytest.mark.parametrize("n", [3, 4, 5, 23])
def test_folds_are_a_partition(n):
    parts = folds(n, 0.5, np.random.RandomState(0))
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(n))
    assert {len(part) for part in parts} <= {n // min(n, 5), -(-n // 5)}
    assert all((np.diff(part) > 0).all() for part in parts)


@pytest.mark.parametrize(("rate", "n", "needed"), [(0.05, 18, 19), (0.5, 2, 3), (0, 2, 3)])
def test_too_few_rows_are_refused(rate, n, needed):
    with pytest.raises(InvalidDataError, match=f"at least {needed} rows with .*, got {n}"):
        cross(KernelDensity(), contamination=rate).fit(rows(n))


def test_nothing_is_left_of_folds_after_another_fit():
    X = rows()
    detector = cross(KernelDensity()).fit(X)
    detector.set_params(calibrate=True).fit(X)
    assert not hasattr(detector, "out_of_fold_scores_")
    assert len(detector.calibration_scores_) == 50
    detector.set_params(calibrate=False).fit(X)
    assert not hasattr(detector, "calibration_scores_")

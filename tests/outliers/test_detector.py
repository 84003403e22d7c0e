"""Detectors over any density: thresholds, members, trimming, and what a user does with them."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityOutlierDetector, FlowDensity, TableDensity
from flowkit.exceptions import FlowkitWarning, InvalidParameterError

from .examples import KERNEL, SMALL, outliers, rows


class Shifted(GaussianMixture):
    """A mixture in other units."""

    shift = 1e3

    def score_samples(self, X):
        return super().score_samples(X) + self.shift


def global_generators():
    return np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def test_rows_far_off_are_found_without_any_choice():
    X = rows(200, 2)
    detector = DensityOutlierDetector(random_state=0).fit(X)
    assert outliers(detector, rows(500, 2, seed=1)) < 0.15
    far = np.array([[6.0, 0.0], [0.0, -6.0], [5.0, 5.0]])
    assert (detector.predict(far) == -1).all()
    assert list(detector.explain(far).argmax(1)[:2]) == [0, 1]


@pytest.mark.parametrize(
    "density", [KernelDensity(), GaussianMixture(2), FlowDensity(**KERNEL)], ids=str
)
def test_contamination_is_the_share_of_training_rows_below(density):
    X = rows(200)
    for contamination in (0.5, 0.13, 0.005):
        detector = DensityOutlierDetector(density, contamination=contamination, random_state=0)
        predicted = detector.fit_predict(X)
        assert (predicted == -1).sum() == pytest.approx(200 * contamination, abs=1)
        np.testing.assert_array_equal(predicted, detector.predict(X))
        np.testing.assert_allclose(
            detector.decision_function(X), detector.score_samples(X) - detector.offset_
        )


def test_auto_is_five_percent():
    X = rows()
    automatic, stated = (
        DensityOutlierDetector(KernelDensity(), contamination=c).fit(X) for c in ("auto", 0.05)
    )
    assert automatic.offset_ == stated.offset_


def test_scores_of_one_density_are_its_own():
    X = rows()
    detector = DensityOutlierDetector(KernelDensity(bandwidth=0.7)).fit(X)
    expected = KernelDensity(bandwidth=0.7).fit(X).score_samples(X)
    np.testing.assert_allclose(detector.score_samples(X), expected)
    # Without a seed to change there is nothing to average.
    assert len(detector.densities_) == 1


def test_the_density_given_is_never_fitted():
    density = GaussianMixture()
    detector = DensityOutlierDetector(density).fit(rows())
    assert not hasattr(density, "means_")
    assert detector.density is density


def test_members_differ_by_their_seeds_and_are_averaged():
    X = rows(150)
    before = global_generators()
    fitted = [
        DensityOutlierDetector(FlowDensity(**KERNEL), n_estimators=3, random_state=seed).fit(X)
        for seed in (0, 0, 1)
    ]
    assert global_generators() == before
    scores = np.array([density.score_samples(X) for density in fitted[0].densities_])
    assert len({density.random_state for density in fitted[0].densities_}) == len(scores) == 3
    assert (np.ptp(scores, axis=0) > 0).all()
    np.testing.assert_allclose(fitted[0].score_samples(X), scores.mean(0))
    np.testing.assert_array_equal(fitted[1].score_samples(X), fitted[0].score_samples(X))
    assert fitted[1].offset_ == fitted[0].offset_
    assert not np.allclose(fitted[2].score_samples(X), fitted[0].score_samples(X))


def test_seeds_within_pipelines_are_given_too():
    density = make_pipeline(StandardScaler(), GaussianMixture(3, init_params="random"))
    detector = DensityOutlierDetector(density, n_estimators=2, random_state=0).fit(rows())
    seeds = {member[-1].random_state for member in detector.densities_}
    assert len(seeds) == 2
    assert None not in seeds


def test_units_of_several_densities_do_not_matter():
    X, new = rows(), rows(50, seed=1) * 2
    plain, shifted = (
        DensityOutlierDetector([first, KernelDensity()], random_state=0).fit(X)
        for first in (GaussianMixture(), Shifted())
    )
    np.testing.assert_allclose(shifted.score_samples(new), plain.score_samples(new), atol=1e-9)
    np.testing.assert_array_equal(shifted.predict(new), plain.predict(new))


def test_evidence_goes_on_falling_beyond_the_strangest_row():
    X = rows()
    detector = DensityOutlierDetector([GaussianMixture(), KernelDensity()]).fit(X)
    far = np.array([[5.0, 0, 0], [10.0, 0, 0], [100.0, 0, 0]])
    scores = detector.score_samples(far)
    assert detector.score_samples(X).min() > scores[0] > scores[1] > scores[2]


def test_a_row_has_one_score_among_several_densities():
    """A step of the share of training rows would turn rounding into a different rank."""
    X = rows(150, 7)
    members = [FlowDensity(**{**KERNEL, "bandwidth_factor": factor}) for factor in (0.5, 0.25)]
    detector = DensityOutlierDetector(members, random_state=0).fit(X)
    together = detector.score_samples(X)
    for size in (1, 7):
        parts = [detector.score_samples(X[i : i + size]) for i in range(0, len(X), size)]
        np.testing.assert_allclose(np.concatenate(parts), together, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        ([], "empty list"),
        ([KernelDensity(), StandardScaler()], "no score_samples"),
        ([KernelDensity(), 1], "no score_samples"),
    ],
)
def test_lists_of_other_things_are_refused(density, message):
    with pytest.raises(InvalidParameterError, match=message):
        DensityOutlierDetector(density).fit(rows())


def test_trimming_leaves_a_group_of_outliers_out():
    # Alike, so that to kernels they are usual.
    X = np.vstack([rows(200), 6 + 0.1 * rows(20, seed=1)])
    plain, trimmed = (
        DensityOutlierDetector(KernelDensity(bandwidth=0.5), trim=trim, random_state=0).fit(X)
        for trim in (0.0, 0.15)
    )
    assert plain.score_samples(X[200:]).mean() > np.quantile(plain.score_samples(X[:200]), 0.1)
    kept = np.asarray(trimmed.densities_[0].tree_.data)
    assert len(kept) == 187
    assert (kept < 5).all()
    assert (trimmed.score_samples(X[200:]) < trimmed.score_samples(X[:200]).min()).all()
    # The share below the threshold is one of all rows, the trimmed ones among them.
    assert outliers(trimmed, X) == pytest.approx(0.05)


def test_trimming_reads_any_table():
    X = pd.DataFrame(rows(60), columns=list("abc"))
    X["kind"] = np.where(np.arange(60) % 7 == 0, "rare", "usual")
    detector = DensityOutlierDetector(TableDensity(FlowDensity(**SMALL)), trim=0.1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FlowkitWarning)
        scores = detector.fit(X).score_samples(X)
    np.testing.assert_allclose(detector.training_scores_, scores, atol=1e-7)


def test_failed_fits_leave_the_detector_as_it_was():
    X = rows()
    detector = DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0).fit(X)
    before = dict(detector.__dict__)
    for bad in (X[:10], np.full((200, 3), np.nan), rows(200, 5)[:, 0]):
        with pytest.raises(ValueError):  # noqa: PT011
            detector.fit(bad)
        assert detector.__dict__.keys() == before.keys()
        assert all(detector.__dict__[name] is before[name] for name in before)


def test_frozen_densities_are_used_as_they_are():
    fitted = GaussianMixture().fit(rows())
    X = 3 * rows(seed=1)
    detector = DensityOutlierDetector(FrozenEstimator(fitted)).fit(X)
    np.testing.assert_array_equal(detector.score_samples(X), fitted.score_samples(X))
    assert outliers(detector, X) == pytest.approx(0.05)


@pytest.mark.parametrize("statistic", ["log_density", "typicality", "dose"])
def test_cloned_and_pickled_it_says_the_same(statistic):
    X = rows(100)
    detector = DensityOutlierDetector(
        FlowDensity(**KERNEL), statistic=statistic, calibrate=True, random_state=0
    ).fit(X)
    loaded = pickle.loads(pickle.dumps(detector))
    np.testing.assert_allclose(loaded.score_samples(X), detector.score_samples(X), atol=1e-9)
    np.testing.assert_allclose(loaded.explain(X[:3]), detector.explain(X[:3]), atol=1e-9)
    np.testing.assert_allclose(loaded.p_values(X), detector.p_values(X))
    again = clone(detector).fit(X)
    np.testing.assert_array_equal(again.score_samples(X), detector.score_samples(X))


@pytest.mark.parametrize(
    ("options", "n_steps"),
    [
        ({}, 4),
        ({"n_estimators": 2}, 5),
        ({"trim": 0.1, "calibrate": True}, 6),
        ({"trim": 0.1, "calibrate": "cv"}, 30),
    ],
    ids=str,
)
def test_verbose_shows_every_density_and_what_comes_after(options, n_steps, capfd):
    flow = FlowDensity(**SMALL, prior="normal")
    densities = [KernelDensity(), make_pipeline(StandardScaler(), flow)]
    silent, shown = (
        DensityOutlierDetector(densities, random_state=0, verbose=verbose, **options)
        for verbose in (0, 1)
    )
    silent.fit(rows(100))
    assert capfd.readouterr() == ("", "")
    shown.fit(rows(100))
    text = capfd.readouterr().err
    assert "fit density 1 of" in text
    assert "KernelDensity" in text
    assert "score training rows" in text
    assert ("calibration rows" in text) is bool(options.get("calibrate"))
    assert f"{n_steps}/{n_steps}" in text
    # The bar of the flow itself, up to its last epoch.
    assert "epoch=3" in text
    assert "left" in text
    np.testing.assert_array_equal(shown.score_samples(rows(20)), silent.score_samples(rows(20)))
    assert densities[1][-1].verbose == 0


def test_frozen_densities_stay_silent():
    frozen = FrozenEstimator(GaussianMixture().fit(rows()))
    DensityOutlierDetector(frozen, verbose=1).fit(rows())
    assert frozen.verbose == 0


def test_nothing_works_before_fit():
    detector = DensityOutlierDetector(calibrate=True)
    for method in (
        "predict",
        "score_samples",
        "decision_function",
        "p_values",
        "explain",
        "reasons",
    ):
        with pytest.raises(NotFittedError):
            getattr(detector, method)(rows())


@pytest.mark.parametrize(
    "parameters",
    [
        {"contamination": 0.6},
        {"contamination": -0.1},
        {"calibrate": "folds"},
        {"max_time": 0.0},
        {"statistic": "typical"},
        {"n_estimators": 0},
        {"calibration_fraction": 1.0},
        {"density": StandardScaler()},
    ],
)
def test_impossible_parameters_are_refused(parameters):
    (name,) = parameters
    with pytest.raises(ValueError, match=name):
        DensityOutlierDetector(**parameters).fit(rows())

"""Weights of rows: repeated rows, rows that are not there, and shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import DensityOutlierDetector, FlowDensity, TransformedDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.outliers._rows import reference_positions
from flowkit.outliers._tails import Tail
from flowkit.outliers._threshold import training_threshold

from .examples import KERNEL, SMALL, rows

SEVERAL = [KernelDensity(), TransformedDensity(StandardScaler(), KernelDensity(bandwidth=0.8))]
OPTIONS = [
    {"density": KernelDensity()},
    {"density": SEVERAL},
    {"density": KernelDensity(), "statistic": "typicality", "contamination": 0.2},
    {"density": KernelDensity(), "statistic": "dose", "contamination": 0},
]
every_option = pytest.mark.parametrize("options", OPTIONS, ids="-".join)


def counts(n, seed=0):
    return np.random.default_rng(seed).integers(1, 5, size=n)


@every_option
def test_whole_weights_are_repeated_rows(options):
    X, weight = rows(60), counts(60)
    weighted, repeated = (
        DensityOutlierDetector(random_state=0).set_params(**options) for _ in range(2)
    )
    weighted.fit(X, sample_weight=weight)
    repeated.fit(np.repeat(X, weight, axis=0))
    new = np.vstack([X, 2 * rows(30, seed=1)])
    np.testing.assert_allclose(
        weighted.score_samples(new), repeated.score_samples(new), rtol=0, atol=1e-8
    )
    assert weighted.offset_ == pytest.approx(repeated.offset_, abs=1e-8)
    np.testing.assert_array_equal(weighted.predict(new), repeated.predict(new))
    # A kernel on a training row is left out with its weight, or one of its repetitions alone.
    unseen = new[60:]
    np.testing.assert_allclose(weighted.explain(unseen), repeated.explain(unseen), atol=1e-6)
    np.testing.assert_allclose(
        np.repeat(weighted.training_scores_, weight), repeated.training_scores_, atol=1e-8
    )


@pytest.mark.parametrize(
    "options",
    [
        *OPTIONS,
        # Its forest draws single rows, which whole weights repeat.
        {"density": SEVERAL, "trim": 0.1},
        {"density": FlowDensity(**KERNEL), "calibrate": True},
        {"density": FlowDensity(**SMALL), "n_estimators": 2},
        {"density": KernelDensity(), "calibrate": "cv"},
    ],
    ids="-".join,
)
def test_rows_without_weight_are_not_there(options):
    X = pd.DataFrame(rows(150), columns=list("abc"))
    weight = np.random.default_rng(1).exponential(size=150) * (np.arange(150) % 3 > 0)
    kept = weight > 0
    all_rows, fewer = (
        DensityOutlierDetector(random_state=0).set_params(**options) for _ in range(2)
    )
    all_rows.fit(X, sample_weight=weight)
    fewer.fit(X[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(all_rows.score_samples(X), fewer.score_samples(X))
    assert all_rows.offset_ == fewer.offset_
    for name in ("training_scores_", "calibration_scores_", "out_of_fold_scores_"):
        assert hasattr(all_rows, name) is hasattr(fewer, name)
        if hasattr(fewer, name):
            np.testing.assert_array_equal(getattr(all_rows, name), getattr(fewer, name))


def test_equal_weights_are_none():
    X = rows()
    plain = DensityOutlierDetector(SEVERAL, random_state=0).fit(X)
    for weight in (1.0, 0.01):
        weighted = DensityOutlierDetector(SEVERAL, random_state=0)
        weighted.fit(X, sample_weight=np.full(200, weight))
        np.testing.assert_allclose(weighted.score_samples(X), plain.score_samples(X), atol=1e-9)
        assert weighted.offset_ == pytest.approx(plain.offset_, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.07, 0.5])
@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_as_much_weight_lies_below_as_the_share_allows(share, scale):
    rng = np.random.default_rng(0)
    scores, weight = rng.normal(size=300), rng.exponential(scale, size=300)
    threshold = training_threshold(scores, share, weight)
    next_one = np.sort(scores[scores >= threshold])[0]
    assert weight[scores < threshold].sum() <= share * weight.sum()
    assert weight[scores <= next_one].sum() > share * weight.sum()


def test_thresholds_set_later_count_weights_too():
    X, weight = rows(), np.random.default_rng(1).exponential(size=200)
    fitted, later = (DensityOutlierDetector(KernelDensity(), contamination=c) for c in (0.1, 0.4))
    fitted.fit(X, sample_weight=weight)
    later.fit(X, sample_weight=weight).set_threshold(contamination=0.1)
    assert later.offset_ == fitted.offset_
    assert later.offset_ != later.fit(X).set_threshold(contamination=0.1).offset_


@pytest.mark.parametrize("scale", [0.02, 1.0])
def test_tails_of_weighted_scores_are_those_of_repeated_ones(scale):
    scores = np.r_[rows(40)[:, 0].round(1), -np.inf, -np.inf]
    weight = counts(42)
    new = np.linspace(-5, 4, 50)
    expected = Tail(np.repeat(scores, weight))(new)
    if scale == 1:
        np.testing.assert_allclose(Tail(scores, weight)(new), expected, atol=1e-12)
    # Weights that sum to less than there are rows say nothing of their number.
    np.testing.assert_allclose(Tail(scores, scale * weight)(new), expected, atol=0.8)


def test_reference_rows_are_repeated_as_their_weights_say():
    rng = np.random.RandomState(0)
    weight = counts(300)
    drawn = reference_positions(300, rng, weight)
    np.testing.assert_array_equal(np.bincount(drawn), weight)
    assert (np.diff(drawn) < 0).mean() > 0.3
    many = rng.exponential(size=5000)
    drawn = reference_positions(5000, rng, many)
    assert len(drawn) == 2000
    expected = 2000 * many / many.sum()
    assert (np.abs(np.bincount(drawn, minlength=5000) - expected) < 1).all()


def test_calibration_rows_count_the_same():
    X = rows()
    plain, weighted = (
        DensityOutlierDetector(KernelDensity(), calibrate=True, random_state=0) for _ in range(2)
    )
    weight = np.random.default_rng(1).exponential(size=200)
    plain.fit(X)
    weighted.fit(X, sample_weight=weight)
    held = X[~np.isin(X[:, 0], np.asarray(plain.densities_[0].tree_.data)[:, 0])]
    np.testing.assert_allclose(np.sort(weighted.score_samples(held)), weighted.calibration_scores_)
    assert weighted.p_values([[99.0, 0, 0]]) == 1 / 51


def test_fit_predict_takes_weights():
    X, weight = rows(), np.random.default_rng(1).exponential(size=200)
    detector = DensityOutlierDetector(KernelDensity())
    predicted = detector.fit_predict(X, sample_weight=weight)
    np.testing.assert_array_equal(predicted, detector.fit(X, None, weight).predict(X))
    assert (predicted != detector.fit_predict(X)).any()


def test_weights_are_routed_through_a_pipeline():
    X, weight = rows(), np.random.default_rng(1).exponential(size=200)
    direct = DensityOutlierDetector(KernelDensity()).fit(X, sample_weight=weight)
    with config_context(enable_metadata_routing=True):
        detector = DensityOutlierDetector(KernelDensity()).set_fit_request(sample_weight=True)
        pipeline = Pipeline([("detector", detector)]).fit(X, sample_weight=weight)
        np.testing.assert_array_equal(pipeline.score_samples(X), direct.score_samples(X))
        predicted = detector.fit_predict(X, sample_weight=weight)
    np.testing.assert_array_equal(predicted, direct.predict(X))


@pytest.mark.parametrize(
    ("density", "name"),
    [
        (GaussianMixture(), "GaussianMixture"),
        ([KernelDensity(), GaussianMixture()], "GaussianMixture"),
        (make_pipeline(StandardScaler(), KernelDensity()), "Pipeline"),
        (TransformedDensity(StandardScaler(), GaussianMixture()), "GaussianMixture"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_densities_that_take_no_weights_are_named(density, name):
    with pytest.raises(InvalidParameterError, match=f"{name} takes no sample_weight"):
        DensityOutlierDetector(density).fit(rows(), sample_weight=np.ones(200))


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(200), "zero for all rows"),
        (-np.ones(200), "[Nn]egative"),
        (np.ones(199), "shape"),
        (np.full(200, np.nan), "NaN"),
        (np.r_[1e300, np.ones(199)], r"from 1e-25 to 1e\+25, .* got 1 to 1e\+300"),
        (np.r_[0.0, 5e-324, np.ones(198)], r"got 4.94066e-324 to 1: scale them all"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_impossible_weights_are_refused(weight, message):
    detector = DensityOutlierDetector(KernelDensity())
    with pytest.raises(ValueError, match=message) as error:
        detector.fit(rows(), sample_weight=weight)
    assert isinstance(error.value, InvalidDataError) or weight.any()
    assert not hasattr(detector, "densities_")

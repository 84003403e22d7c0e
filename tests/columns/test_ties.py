"""Rows that are the same have the same label, p-value and share, whatever stands beside them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import (
    CalibrationDisplay,
    DensityOutlierDetector,
    FlowDensity,
    RGFlowDensity,
    ScoreHistogramDisplay,
    TableDensity,
    TransformedDensity,
)
from flowkit.modules import KernelFlow
from flowkit.outliers._comparison import Comparison
from flowkit.outliers._p_values import p_values
from flowkit.outliers._rounding import less_rounding
from flowkit.outliers._tails import Tail

KERNEL = {"prior": "kernel", "n_transforms": 1, "hidden_units": 8, "max_epochs": 1}
TWO = [FlowDensity(**KERNEL), FlowDensity(**KERNEL, bandwidth_factor=0.25)]


def repeated(seed=0):
    """Forty rows, most of which are one of three."""
    rng = np.random.default_rng(seed)
    common = np.repeat([[1.0, 2.0], [-1.0, 0.3], [0.1, 0.1]], [200, 30, 13], axis=0)
    return rng.permutation(np.vstack([common, rng.normal(size=(17, 2))]))


def spread_of_equals(told, X):
    """Largest difference between what rows of the same values are told."""
    _, group = np.unique(X, axis=0, return_inverse=True)
    return max(np.ptp(told[group.reshape(-1) == g]) for g in np.unique(group))


@pytest.mark.parametrize(
    "options",
    [
        {"density": TWO},
        {"density": TWO, "calibrate": True},
        {"density": FlowDensity(**KERNEL), "contamination": 0.12},
        {"density": FlowDensity(**KERNEL), "n_estimators": 2, "calibrate": True},
        {"density": FlowDensity(**KERNEL), "statistic": "dose"},
        {"density": TWO, "statistic": "typicality", "contamination": 0.2},
        {"density": TWO, "trim": 0.05},
        {"density": RGFlowDensity(n_layers=1, hidden_units=4, max_epochs=1), "statistic": "levels"},
        {"density": make_pipeline(StandardScaler(), KernelDensity()), "calibrate": True},
        {"density": TransformedDensity(StandardScaler(), FlowDensity(**KERNEL))},
        {"density": TableDensity(FlowDensity(**KERNEL)), "calibrate": True},
        {"density": [GaussianMixture(2), KernelDensity()], "contamination": 0.1},
    ],
    ids=lambda options: " ".join(map(str, options.values())).replace("\n", "")[:60],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_equal_rows_are_told_the_same_alone_and_together(options, seed):
    X = repeated(seed)
    detector = DensityOutlierDetector(random_state=seed).set_params(**options).fit(X)
    some = np.vstack([np.unique(X, axis=0)[:6], [[1.0, 2.0], [-1.0, 0.3], [0.1, 0.1]]])
    methods = ["predict", "score_samples"] + ["p_values"] * bool(options.get("calibrate"))
    for method in methods:
        tell = getattr(detector, method)
        allowed = 1e-7 if method == "score_samples" else 0.0
        assert spread_of_equals(tell(X), X) <= allowed
        alone = np.concatenate([tell(row[None]) for row in some])
        np.testing.assert_allclose(tell(some), alone, rtol=0, atol=allowed)
        np.testing.assert_allclose(tell(np.repeat(some, 40, 0))[::40], alone, rtol=0, atol=allowed)


@pytest.mark.parametrize("rate", [0.05, 0.12, 0.3])
def test_displays_count_ties_as_the_detector_does(rate):
    X = repeated()
    detector = DensityOutlierDetector(
        FlowDensity(**KERNEL), contamination=rate, calibrate=True, random_state=0
    ).fit(X)
    p, out = detector.p_values(X), detector.predict(X) == -1
    stated = CalibrationDisplay.from_estimator(detector, X).rate
    assert p[out].max(initial=0.0) <= stated <= rate
    assert p[~out].min() > rate
    histogram = ScoreHistogramDisplay.from_estimator(detector, X)
    assert list(histogram.shares_below_.values()) == [out.mean()]
    plt.close("all")


@pytest.mark.parametrize("size", [1.0, 50.0, 1e4])
def test_scores_that_differ_by_rounding_are_one(size):
    rng = np.random.default_rng(0)
    places = size * np.sort(rng.normal(size=30))
    scores = np.repeat(places, 10)
    noisy = scores * (1 + 1e-13 * rng.normal(size=300))
    exact, tail = Tail(scores), Tail(noisy)
    np.testing.assert_allclose(tail(noisy), exact(scores), rtol=0, atol=1e-7)
    assert spread_of_equals(tail(noisy), scores[:, None]) <= 1e-7
    p = p_values(np.sort(noisy), rng.permutation(noisy))
    np.testing.assert_array_equal(np.unique(p), (1 + 10 * np.arange(1, 31)) / 301)


def test_ties_count_as_at_least_as_strange():
    """Rounding may only raise a p-value."""
    scores = np.sort(np.random.default_rng(0).normal(size=99).round(1))
    new = np.linspace(-4, 4, 81).round(1)
    expected = (1 + (scores <= new[:, None]).sum(1)) / 100
    for error in (-1e-12, 0.0, 1e-12):
        np.testing.assert_array_equal(p_values(scores, new + error), expected)


def test_many_scores_close_to_each_other_are_not_one():
    """Each lies within rounding of the next."""
    scores = np.linspace(0.0, 1e-4, 5_000)
    shares = np.exp(Tail(scores)(scores))
    np.testing.assert_allclose(shares, np.arange(2, 5_002) / 5_001, atol=0.002)


def test_scores_less_rounding():
    scores = np.array([-np.inf, np.finfo(float).min, -1e6, 0.0, 1e-3, 1e6, np.inf])
    lower = less_rounding(scores)
    np.testing.assert_array_equal(lower[[0, 1, -1]], scores[[0, 1, -1]])
    assert (lower[2:-1] < scores[2:-1]).all()
    np.testing.assert_allclose(lower[2:-1], scores[2:-1], rtol=1e-6, atol=1e-6)
    assert np.isscalar(less_rounding(1.0))


def test_statistics_that_hardly_vary_do_not_make_rounding_large():
    rng = np.random.default_rng(0)
    known = np.column_stack([rng.normal(size=100), 7 + 1e-13 * rng.normal(size=100)])
    comparison = Comparison(known)
    noisy = known + 1e-13 * rng.normal(size=known.shape)
    np.testing.assert_allclose(comparison(noisy), comparison(known), atol=1e-7)
    assert comparison(np.add(known[:1], [0.0, 1.0]))[0] < comparison(known).min()


def test_of_kernels_on_equal_rows_the_first_is_left_out():
    """Which of them is nearest is a matter of rounding, but their weights differ."""
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(20, 3)), 5, axis=0)
    weight = rng.uniform(0.1, 3.0, size=100)
    density = FlowDensity(
        **{**KERNEL, "max_epochs": 3}, early_stopping=False, dequantize=None, random_state=0
    ).fit(X, sample_weight=weight)
    scores = density.score_samples(X)
    alone = np.concatenate([density.score_samples(row[None]) for row in X])
    np.testing.assert_allclose(alone, scores, rtol=0, atol=1e-7)
    assert spread_of_equals(scores, X) < 1e-7
    module = density.module_
    assert isinstance(module, KernelFlow)
    firsts = module.known_rows.first
    assert (module.rows[firsts] == module.rows).all()
    assert len(torch.unique(firsts)) == 20
    for first in torch.unique(firsts):
        assert (module.rows[:first] != module.rows[first]).any(1).all()

"""What rows are compared by: log densities, typicality, levels, and rows of no density."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import PowerTransformer

from flowkit import (
    PHVAE,
    DensityOutlierDetector,
    FlowDensity,
    FractalFlowDensity,
    RGFlowDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit.exceptions import InvalidDataError, InvalidParameterError
from flowkit.outliers.statistics.dose import Dose

from .examples import KERNEL, SMALL, Known, outliers, rows


def half_line(X):
    """Standard normals that are never above two in the first column."""
    X = np.asarray(X, dtype=float)
    log_density = stats.norm.logpdf(X).sum(1) - stats.norm.logcdf(2.0)
    return np.where(X[:, 0] > 2, -np.inf, log_density)


@pytest.mark.parametrize(
    "density", [GaussianMixture(), FlowDensity(prior="normal", **SMALL)], ids=["mixture", "flow"]
)
def test_rows_too_likely_to_be_true(density):
    """The centre of many columns is the likeliest place, where no row ever lies."""
    X, new, centre = rows(1000, 40), rows(500, 40, seed=1), np.zeros((1, 40))
    verdicts = {}
    for statistic in ("log_density", "typicality", "dose"):
        detector = DensityOutlierDetector(density, statistic=statistic, random_state=0).fit(X)
        verdicts[statistic] = detector.predict(centre)[0]
        assert outliers(detector, new) < 0.2
        assert outliers(detector, 2 * new) > 0.95
    assert verdicts == {"log_density": 1, "typicality": -1, "dose": -1}


def test_typicality_is_the_distance_from_the_mean_log_density():
    X = rows()
    detector = DensityOutlierDetector(KernelDensity(), statistic="typicality").fit(X)
    log_density = detector.densities_[0].score_samples(X)
    expected = -np.abs(log_density - log_density.mean())
    np.testing.assert_allclose(detector.score_samples(X), expected)


def signals(n, roughness, seed):
    """Walks over eight places, the finest scale of which is noise."""
    rng = np.random.default_rng(seed)
    return 0.7 * rng.normal(size=(n, 8)).cumsum(1) + roughness * rng.normal(size=(n, 8))


@pytest.fixture(scope="module")
def rg():
    density = RGFlowDensity(
        n_layers=1, hidden_units=8, max_epochs=15, learning_rate=1e-2, random_state=0
    )
    return density.fit(signals(500, 0.6, 0))


def test_levels_find_what_is_too_smooth(rg):
    smooth = np.repeat(1.5 * rows(300, 1, seed=2), 8, axis=1)
    found = {}
    for statistic in ("log_density", "levels", "dose"):
        detector = DensityOutlierDetector(
            FrozenEstimator(rg), statistic=statistic, calibrate=True, random_state=0
        ).fit(signals(400, 0.6, 3))
        assert outliers(detector, signals(300, 0.6, 4)) < 0.15
        found[statistic] = outliers(detector, smooth)
    assert found["log_density"] < 0.15
    assert found["levels"] > 0.3
    assert found["dose"] > 0.5


@pytest.mark.parametrize("first", [[], [RGFlowDensity(n_layers=1, hidden_units=8, max_epochs=1)]])
def test_levels_need_levels_of_every_density(first):
    detector = DensityOutlierDetector([*first, GaussianMixture()], statistic="levels")
    with pytest.raises(InvalidParameterError, match=r"score_levels.*RGFlow.*Mixture has none"):
        detector.fit(rows(60))


@pytest.mark.parametrize(
    "density",
    [
        FlowDensity(**KERNEL),
        FractalFlowDensity(prior="gaussian_mixture", n_blocks=1, hidden_units=8, max_epochs=1),
        PHVAE(n_components=1, hidden_units=8, max_epochs=1),
    ],
    ids=lambda density: type(density).__name__,
)
def test_rows_too_far_to_be_measured_are_outliers(density):
    X, far = rows(100), np.full((1, 3), 1e200)
    for statistic in ("log_density", "typicality", "dose"):
        detector = DensityOutlierDetector(density, statistic=statistic, random_state=0).fit(X)
        assert detector.score_samples(far)[0] < detector.offset_
        assert detector.decision_function(far)[0] < 0
        assert detector.predict(far)[0] == -1
        assert outliers(detector, X) == pytest.approx(0.05, abs=0.011)


def test_what_a_density_says_of_a_row():
    X = rows(100)
    density = FlowDensity(**KERNEL, random_state=0).fit(X)
    log_density = density.score_samples(X)
    told = Dose().measure(density, X, log_density)
    np.testing.assert_array_equal(told[:, 0], log_density)
    np.testing.assert_allclose(np.exp(told[:, 1]), np.linalg.norm(density.transform(X), axis=1))
    np.testing.assert_allclose(np.exp(told[:, 2]), density._gradient_norm(X))


def test_rows_of_no_density_are_outliers():
    X = rows()
    X[:20, 0] = 3.0
    new = np.array([[3.0, 0, 0], [0.0, 0, 0]])
    for options in (
        {},
        {"contamination": 0.2},
        {"statistic": "typicality"},
        {"statistic": "dose", "contamination": 0.2},
    ):
        detector = DensityOutlierDetector(Known(half_line), **options).fit(X)
        assert np.isfinite(detector.offset_)
        assert not np.isnan(detector.score_samples(new)).any()
        assert not np.isnan(detector.decision_function(new)).any()
        assert list(detector.predict(new)) == [-1, 1]


def test_predictions_agree_with_p_values_among_rows_of_no_density():
    X = rows()
    X[:20, 0] = 3.0
    detector = DensityOutlierDetector(
        Known(half_line), calibrate=True, contamination=0.5, random_state=0
    ).fit(X)
    new = np.vstack([[3.0, 0, 0], rows(300)])
    assert not np.isnan(detector.decision_function(new)).any()
    np.testing.assert_array_equal(detector.predict(new) == -1, detector.p_values(new) <= 0.5)
    with pytest.raises(InvalidDataError, match="calibration rows have a density of zero"):
        detector.set_params(contamination=0.05).fit(X)


def test_rows_outside_a_transformer_are_the_strangest_to_every_statistic():
    density = TransformedDensity(PowerTransformer("box-cox"), GaussianMixture(random_state=0))
    X = np.exp(rows(200))
    for statistic in ("log_density", "typicality", "dose"):
        detector = DensityOutlierDetector(density, statistic=statistic).fit(X)
        assert detector.predict([[-1.0, 1.0, 1.0]])[0] == -1


@pytest.mark.parametrize("build", [FractalFlowDensity, RGFlowDensity])
def test_densities_of_incomplete_rows_are_split_for_complete_ones(build):
    X = rows(80)
    X[::9, 0] = np.nan
    density = build(missing="marginalize", hidden_units=8, max_epochs=1)
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    part = "tree" if build is FractalFlowDensity else "levels"
    assert np.isfinite(np.asarray(detector.explain(X[1:3], by=part))).all()


def test_kernels_refuse_incomplete_training_rows():
    X = rows(60)
    X[3, 1] = np.nan
    with pytest.raises(InvalidDataError, match="prior='kernel'"):
        FlowDensity(missing="marginalize", **KERNEL).fit(X)


def test_polars_tables_keep_their_names_and_levels():
    frame = pl.DataFrame({"a": rows(60)[:, 0], "c": ["x", "y", "y"] * 20})
    density = TableDensity(GaussianMixture(random_state=0), kinds={"c": "categorical"})
    detector = DensityOutlierDetector(density, random_state=0).fit(frame)
    assert list(detector.feature_names_in_) == ["a", "c"]
    assert np.isfinite(detector.score_samples(frame)).all()


def test_a_density_of_statistics_leaves_a_row_itself_out():
    X, new = rows(200, seed=0), rows(4000, seed=1)
    density = GaussianMixture(init_params="random_from_data", random_state=0)
    detector = DensityOutlierDetector(density, statistic="dose", random_state=0).fit(X)
    assert outliers(detector, new) < 0.09


def test_reasons_of_rows_of_no_density():
    detector = DensityOutlierDetector(Known(half_line), random_state=0).fit(rows(300))
    effects = detector.explain([[3.0, 0.5, -1.0], [0.0, 0.0, 0.0]])
    assert effects[0, 0] == np.inf
    # The others are judged as in a possible row: columns are independent.
    np.testing.assert_allclose(effects[0, 1:], [-0.375, 0.0], atol=1e-6)
    assert np.isfinite(effects[1]).all()

"""Detectors over any density: thresholds, p-values, what they compare, and their reasons."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PowerTransformer,
    StandardScaler,
)

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
from flowkit.outliers import _conditional_effects
from flowkit.outliers.statistics.dose import Dose

SMALL = {"n_transforms": 2, "hidden_units": 16, "max_epochs": 3}
KERNEL = {**SMALL, "prior": "kernel", "noise": 0.1, "bandwidth_factor": 0.25}


class Known(BaseEstimator):
    """A density that is given: nothing is fitted."""

    def __init__(self, log_density):
        self.log_density = log_density

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        return self.log_density(X)


class Shifted(GaussianMixture):
    """A mixture in other units."""

    shift = 1e3

    def score_samples(self, X):
        return super().score_samples(X) + self.shift


def normal(correlation, d):
    covariance = (1 - correlation) * np.eye(d) + correlation
    scale = 3.0 ** np.arange(d)
    return stats.multivariate_normal(5 * scale, covariance * scale * scale[:, None], seed=0)


def conditional_z(X, distribution):
    """Distance of each value from its conditional mean, in conditional deviations."""
    precision = np.linalg.inv(distribution.cov_object.covariance)
    return (X - distribution.mean) @ precision / np.sqrt(np.diag(precision))


def rows(n=200, d=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def global_generators():
    return np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002


def outliers(detector, X):
    return (detector.predict(X) == -1).mean()


def half_line(X):
    """Standard normals that are never above two in the first column."""
    X = np.asarray(X, dtype=float)
    log_density = stats.norm.logpdf(X).sum(1) - stats.norm.logcdf(2.0)
    return np.where(X[:, 0] > 2, -np.inf, log_density)


# ---------------------------------------------------------------- detection


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


# ---------------------------------------------------------------- several densities


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


def test_trimmed_rows_are_those_strangest_to_a_first_fit():
    X = rows()
    first = KernelDensity().fit(X).score_samples(X)
    kept = X[first >= np.quantile(first, 0.1)]
    detector = DensityOutlierDetector(KernelDensity(), trim=0.1).fit(X)
    assert len(kept) == 180
    expected = KernelDensity().fit(kept).score_samples(X)
    np.testing.assert_allclose(detector.score_samples(X), expected)
    # The share below the threshold is one of all rows, the trimmed ones among them.
    assert outliers(detector, X) == pytest.approx(0.05)


# ---------------------------------------------------------------- p-values


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


# ---------------------------------------------------------------- statistics


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


# ---------------------------------------------------------------- rows of no density


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


def test_rows_of_no_density_are_trimmed():
    X = rows()
    X[:20, 0] = 3.0
    detector = DensityOutlierDetector(Known(half_line), trim=0.05, contamination=0.2).fit(X)
    assert np.isfinite(detector.offset_)
    assert (detector.predict(X[:20]) == -1).all()


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
    np.testing.assert_array_equal(effects[0, 1:], 0.0)
    assert np.isfinite(effects[1]).all()


# ---------------------------------------------------------------- reasons, by column


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95, 0.999])
@pytest.mark.parametrize("d", [1, 2, 6])
def test_effects_are_exact_for_normal_densities(correlation, d):
    distribution = normal(correlation, d)
    detector = DensityOutlierDetector(Known(distribution.logpdf))
    detector.fit(np.reshape(distribution.rvs(2000), (2000, d)))
    deviation = np.sqrt(np.diag(distribution.cov_object.covariance))
    inside = np.reshape(distribution.rvs(20), (20, d))
    cases = {
        "inside": inside,
        "one value off": inside + 5 * deviation * np.eye(d)[0],
        "all values off": distribution.mean + 5 * deviation[None],
        "far out of the range": distribution.mean + 5 * (inside - distribution.mean),
    }
    for name, X in cases.items():
        expected = (conditional_z(X, distribution) ** 2 - 1) / 2
        got = detector.explain(X)
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3, err_msg=name)


def test_effects_are_exact_for_a_fitted_mixture_of_one():
    X = rows(500) @ np.array([[1.0, 0.9, 0.3], [0.0, 0.3, 0.5], [0.0, 0.0, 1.0]])
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    mixture = detector.densities_[0]
    distribution = stats.multivariate_normal(mixture.means_[0], mixture.covariances_[0])
    expected = (conditional_z(X[:20], distribution) ** 2 - 1) / 2
    np.testing.assert_allclose(detector.explain(X[:20]), expected, atol=1e-5)


@pytest.mark.parametrize("noise", [1.5, 3.0], ids=["heavy tails", "no mean"])
def test_effects_agree_with_a_fine_grid_where_tails_are_heavy(noise):
    scale = np.array([1.0, 100.0])
    X = scale * np.random.default_rng(0).standard_t(noise, size=(1000, 2)).round(6)
    student = stats.multivariate_t(np.zeros(2), np.array([[1.0, 0.6], [0.6, 1.0]]), df=noise)
    log_density = Known(lambda X: np.atleast_1d(student.logpdf(X / scale)))
    detector = DensityOutlierDetector(log_density).fit(X)
    rows = X[:6]
    got = detector.explain(rows)
    t = np.sinh(np.linspace(-9, 9, 20_001))
    for i, row in enumerate(rows):
        for j in range(2):
            line = np.repeat(row[None], len(t), axis=0)
            line[:, j] = t * scale[j]
            weight = np.gradient(t)
            density = np.exp(log_density.score_samples(line)) * weight
            expected = density @ log_density.score_samples(line) / density.sum()
            surprise = expected - log_density.score_samples(row[None])[0]
            assert got[i, j] == pytest.approx(surprise, abs=0.05)


@pytest.mark.parametrize(
    "density",
    [
        KernelDensity(bandwidth=0.4),
        GaussianMixture(3, random_state=0),
        FlowDensity(**{**KERNEL, "max_epochs": 10}),
    ],
    ids=["kernels", "mixture", "flow"],
)
def test_rows_of_the_density_have_no_effects_on_average(density):
    X = np.exp(rows(200, 2)) @ np.array([[1.0, 0.7], [0.0, 0.5]])
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    drawn = detector.densities_[0].sample(400)
    effects = detector.explain(drawn[0] if isinstance(drawn, tuple) else drawn)
    error = 4 * effects.std(0) / np.sqrt(len(effects))
    assert (np.abs(effects.mean(0)) < error + 0.02).all()


def factors(n, seed):
    """Eight columns that follow three factors."""
    mixing = np.random.default_rng(5).normal(size=(3, 8))
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ mixing + 0.4 * rng.normal(size=(n, 8))


@pytest.mark.parametrize("damage", ["shifted", "from another row"])
@pytest.mark.parametrize(
    "density",
    [
        FlowDensity(**{**KERNEL, "max_epochs": 10}),
        KernelDensity(bandwidth=1.0),
        GaussianMixture(2, random_state=0),
    ],
    ids=["flow", "kernels", "mixture"],
)
def test_a_corrupted_column_comes_first(density, damage):
    X, damaged = factors(400, 0), factors(60, 1)
    rng = np.random.default_rng(2)
    columns = rng.integers(0, 8, len(damaged))
    at = np.arange(len(damaged)), columns
    if damage == "shifted":
        sign, size = rng.choice([-1, 1], len(damaged)), rng.uniform(4, 6, len(damaged))
        damaged[at] += sign * size * X.std(0)[columns]
    else:
        before = damaged[at]
        damaged[at] = 6 * np.roll(damaged, 1, axis=0)[at]
        changed = np.abs(damaged[at] - before) > 2 * X.std(0)[columns]
        assert changed.mean() > 0.5
        damaged, columns = damaged[changed], columns[changed]
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    first = detector.explain(damaged).argmax(1)
    assert (first == columns).mean() >= 0.95


def test_a_row_is_explained_alike_alone_and_among_others(monkeypatch):
    X = rows(200)
    X[:, 1] = (10 * X[:, 1]).round()
    detector = DensityOutlierDetector(FlowDensity(**KERNEL), random_state=0).fit(X)
    together = detector.explain(X[:15])
    alone = np.vstack([detector.explain(X[i : i + 1]) for i in range(15)])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-7)
    monkeypatch.setattr(_conditional_effects, "_MAX_ROWS", 100)
    np.testing.assert_allclose(detector.explain(X[:15]), together, rtol=0, atol=1e-7)


def test_whole_numbers_are_explained_as_any_others():
    X = np.rint(5 * rows())
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    integers = np.array([[30, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(detector.explain(integers), detector.explain(integers.astype(float)))
    np.testing.assert_allclose(
        detector.score_samples(integers), detector.score_samples(integers.astype(float))
    )


def test_whole_numbers_are_replaced_by_whole_numbers():
    X = np.random.default_rng(0).poisson([60.0, 400.0], size=(500, 2)).astype(float)

    def log_density(X):
        assert (np.rint(X) == X).all()
        return stats.poisson.logpmf(X, [60.0, 400.0]).sum(1)

    detector = DensityOutlierDetector(Known(log_density)).fit(X)
    counts = np.arange(2000)
    for j, mean in enumerate((60.0, 400.0)):
        entropy = -np.sum(stats.poisson.pmf(counts, mean) * stats.poisson.logpmf(counts, mean))
        expected = -entropy - stats.poisson.logpmf(X[:20, j], mean)
        np.testing.assert_allclose(detector.explain(X[:20])[:, j], expected, atol=0.02)


def test_constant_columns_are_to_blame_when_they_change():
    X = np.column_stack([rows(), np.full(200, 7.0)])
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    effects = detector.explain([[0, 0, 0, 7.0], [0, 0, 0, 8.0]])
    assert effects[0, 3] == 0.0
    assert effects[1].argmax() == 3
    assert np.isfinite(effects).all()


def test_missing_values_are_not_to_blame():
    def log_density(X):
        return np.nansum(stats.norm.logpdf(X), axis=1)

    X = rows()
    X[::3, 0] = np.nan
    detector = DensityOutlierDetector(Known(log_density)).fit(X)
    row = np.array([[np.nan, 4.0, 0.0]])
    np.testing.assert_allclose(detector.explain(row), [[0.0, 7.5, -0.5]], atol=1e-4)


# ---------------------------------------------------------------- tables


def mixed_table(n=300, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["cat", "dog", "emu"], size=n, p=[0.5, 0.3, 0.2])
    size = rng.normal(size=n) + np.select([kind == "cat", kind == "dog"], [-3.0, 0.0], 3.0)
    frame = pd.DataFrame({"kind": pd.Categorical(kind), "size": size, "tame": kind != "emu"})
    return frame.set_index(np.arange(n) * 10)


def mixed_log_density(X):
    """Of kind and size; tame follows from kind."""
    weight = X["kind"].map({"cat": 0.5, "dog": 0.3, "emu": 0.2}).astype(float)
    place = X["kind"].map({"cat": -3.0, "dog": 0.0, "emu": 3.0}).astype(float)
    follows = (X["kind"] != "emu") == X["tame"]
    return np.where(follows, np.log(weight) + stats.norm.logpdf(X["size"], place), -np.inf)


def test_effects_of_mixed_tables_are_exact():
    X = mixed_table()
    detector = DensityOutlierDetector(Known(mixed_log_density)).set_output(transform="pandas")
    effects = detector.fit(X).explain(X[:20])
    assert list(effects.columns) == list(X.columns)
    assert list(effects.index) == list(X.index[:20])
    place = X["kind"].map({"cat": -3.0, "dog": 0.0, "emu": 3.0}).astype(float)[:20]
    expected = ((X["size"][:20] - place) ** 2 - 1) / 2
    np.testing.assert_allclose(effects["size"], expected, atol=1e-4)
    # Given kind, tame can have but one value; an emu could be nothing else once it is not tame.
    np.testing.assert_allclose(effects["tame"], 0.0, atol=1e-12)
    is_emu = (X["kind"][:20] == "emu").to_numpy()
    np.testing.assert_allclose(effects["kind"][is_emu], 0.0, atol=1e-12)
    for label, row in X[:20][~is_emu].iterrows():
        options = (
            X[:1]
            .loc[np.repeat(X.index[0], 2)]
            .assign(
                kind=pd.Categorical(["cat", "dog"], X["kind"].cat.categories),
                size=row["size"],
                tame=True,
            )
        )
        scores = mixed_log_density(options)
        share = np.exp(scores - np.logaddexp.reduce(scores))
        observed = scores[["cat", "dog"].index(row["kind"])]
        assert effects["kind"][label] == pytest.approx(share @ scores - observed, abs=1e-9)


def table_pipeline():
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind", "tame"]), remainder=StandardScaler()
    )
    return make_pipeline(encoder, KernelDensity(bandwidth=0.3))


def test_tables_reach_pipelines_as_they_are():
    X = mixed_table()
    detector = DensityOutlierDetector(table_pipeline(), calibrate=True, random_state=0).fit(X)
    strange = X[:3].assign(size=[9.0, -9.0, 0.0], kind=pd.Categorical(["cat", "emu", "dog"]))
    strange["tame"] = [True, False, True]
    assert list(detector.predict(strange)) == [-1, -1, 1]
    assert (detector.p_values(strange)[:2] < 0.02).all()
    effects = detector.set_output(transform="pandas").explain(strange)
    assert list(effects.iloc[:2].idxmax(axis=1)) == ["size", "size"]
    assert list(detector.feature_names_in_) == ["kind", "size", "tame"]
    assert np.isfinite(effects.to_numpy()).all()


def test_other_columns_are_refused():
    X = mixed_table()
    detector = DensityOutlierDetector(table_pipeline()).fit(X)
    with pytest.raises(ValueError, match="feature names should match"):
        detector.predict(X[["size", "kind", "tame"]])
    with pytest.raises(ValueError, match="features"):
        DensityOutlierDetector(KernelDensity()).fit(rows()).predict(rows(5, 2))


def test_containers_give_the_same_scores_and_reasons():
    X = rows()
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    expected, reasons = detector.score_samples(X), detector.explain(X[:5])
    names = ["a", "b", "c"]
    for container in (
        X.tolist(),
        X.astype(object),
        pd.DataFrame(X),
        pd.DataFrame(X, columns=names),
        pd.DataFrame(X, columns=names).astype("Float64"),
        pl.DataFrame(X, schema=names),
    ):
        fitted = DensityOutlierDetector(GaussianMixture()).fit(container)
        np.testing.assert_allclose(fitted.score_samples(container), expected)
        np.testing.assert_allclose(fitted.explain(container[:5]), reasons, atol=1e-9)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_names_of_columns_are_kept_and_compared(frame):
    X = dict(zip("abc", rows().T, strict=True))
    detector = DensityOutlierDetector(GaussianMixture()).fit(frame(X))
    assert list(detector.feature_names_in_) == ["a", "b", "c"]
    assert detector.get_part_names() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        detector.predict(frame(X)[["c", "a", "b"]])


def test_columns_without_names_are_numbered():
    detector = DensityOutlierDetector(GaussianMixture()).fit(rows())
    assert detector.get_part_names() == ["x0", "x1", "x2"]


@pytest.mark.parametrize("names", [[0, 1, 7], [("a", 1), ("a", 2), ("b", 1)]], ids=str)
def test_labels_that_are_no_text_name_the_reasons(names):
    X = pd.DataFrame(rows(), columns=pd.Index(names))
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    assert detector.get_part_names() == names
    effects = detector.set_output(transform="pandas").explain(X[:2])
    assert list(effects.columns) == names
    assert detector.set_output(transform="polars").explain(X[:2]).columns == list(map(str, names))


@pytest.mark.parametrize("container", [np.array, pd.DataFrame, pl.DataFrame])
def test_set_output_decides_what_reasons_are(container):
    X = container(rows(60, 2))
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    expected = detector.explain(X)
    assert type(expected) is np.ndarray
    for setting, kind in {"pandas": pd.DataFrame, "polars": pl.DataFrame}.items():
        with config_context(transform_output=setting):
            told = detector.explain(X)
        assert type(told) is type(clone(detector.set_output(transform=setting)).fit(X).explain(X))
        assert type(told) is kind
        assert [str(name) for name in told.columns] == list(map(str, detector.get_part_names()))
        np.testing.assert_array_equal(told.to_numpy(), expected)
        with config_context(transform_output="default"):
            assert type(detector.explain(X)) is kind
        detector.set_output(transform="default")
        with config_context(transform_output=setting):
            assert type(detector.explain(X)) is np.ndarray
        del detector._sklearn_output_config


def test_reasons_keep_the_index_of_the_rows():
    X = pd.DataFrame(rows(60, 2), columns=["a", "b"], index=np.arange(60) * 10)
    detector = DensityOutlierDetector(KernelDensity()).set_output(transform="pandas").fit(X)
    assert list(detector.explain(X[5:8]).index) == [50, 60, 70]


def test_unknown_outputs_are_refused():
    with pytest.raises(InvalidParameterError, match=r"pandas.*polars.*None, got 'frame'"):
        DensityOutlierDetector().set_output(transform="frame")


# ---------------------------------------------------------------- reasons, by part


@pytest.fixture(scope="module")
def fractal():
    density = FractalFlowDensity(
        n_topics=3, n_blocks=2, hidden_units=8, max_epochs=2, random_state=0
    )
    return density.fit(rows(200, 4))


def wrapped(density):
    """The same density by itself, and at the end of all that may stand around it."""
    scaled = StandardScaler().set_output(transform="default")
    return {
        "bare": density,
        "frozen": FrozenEstimator(clone(density).fit(rows(200, 4))),
        "pipeline": make_pipeline(scaled, density),
        "transformed": TransformedDensity(scaled, density),
        "nested": TransformedDensity(scaled, make_pipeline(scaled, density)),
        "frozen in a pipeline": make_pipeline(
            scaled, FrozenEstimator(clone(density).fit(rows(200, 4)))
        ),
    }


PARTED = {
    "levels": RGFlowDensity(n_layers=1, hidden_units=8, max_epochs=1),
    "tree": FractalFlowDensity(prior="gaussian_mixture", n_blocks=1, hidden_units=8, max_epochs=1),
    "topics": GaussianMixture(3),
}


@pytest.mark.parametrize("wrapper", wrapped(GaussianMixture()))
@pytest.mark.parametrize("part", PARTED)
def test_parts_sum_to_the_surprise(part, wrapper):
    X, new = rows(200, 4), 2 * rows(30, 4, seed=1)
    detector = DensityOutlierDetector(wrapped(PARTED[part])[wrapper], random_state=0).fit(X)
    shares = detector.explain(new, by=part)
    typical, scores = detector.score_samples(X), detector.score_samples(new)
    if part == "topics":
        assert shares.shape[1] == 3
        # Each topic has a typical log density of its own, so that sums differ by row.
        assert np.corrcoef(np.asarray(shares).sum(1), scores)[0, 1] < -0.99
    else:
        np.testing.assert_allclose(shares.sum(axis=1), typical.mean() - scores, atol=1e-8)
    assert len(set(detector.get_part_names(part))) == shares.shape[1]


@pytest.mark.parametrize("part", PARTED)
@pytest.mark.parametrize("wrap", [TransformedDensity, FrozenEstimator])
def test_parts_of_rows_of_no_density_are_all_infinite(part, wrap):
    X = np.exp(rows(200, 4))
    density = TransformedDensity(PowerTransformer("box-cox"), PARTED[part])
    if wrap is FrozenEstimator:
        # Fitted elsewhere, so that training rows may be impossible, too.
        density, X = FrozenEstimator(density.fit(X)), np.vstack([[-1.0, 1, 1, 1], X])
    detector = DensityOutlierDetector(density, random_state=0).fit(X)
    new = np.array([[-1.0, 1, 1, 1], [1, 1, 1, 1.0], [1, 1, -2, 1]])
    assert list(detector.predict(new)) == [-1, 1, -1]
    effects = detector.explain(new, by=part)
    assert effects.shape == (3, len(detector.get_part_names(part)))
    assert np.isposinf(effects[[0, 2]]).all()
    np.testing.assert_allclose(effects[1:2], detector.explain(new[1:2], by=part), atol=1e-9)
    assert np.isfinite(effects[1]).all()


def named_table(n=200):
    return pd.DataFrame(rows(n, 3), columns=["weight", "age", "size"]).assign(
        kind=np.resize(["a", "b"], n)
    )


def test_parts_have_the_names_of_the_table_behind_transformers():
    X = named_table()
    tree = PARTED["tree"]
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]),
        (StandardScaler(), ["weight", "size"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    )
    numbers = make_column_transformer(
        (StandardScaler(), ["size", "weight"]), remainder="passthrough"
    )
    encoded = ["kind_a", "kind_b", "weight", "size", "age"]
    wanted = {
        make_pipeline(encoder, tree): encoded,
        make_pipeline(encoder, make_pipeline(StandardScaler(), tree)): encoded,
        GridSearchCV(make_pipeline(encoder, tree), {}, cv=2): encoded,
        FrozenEstimator(make_pipeline(encoder, clone(tree)).fit(X)): encoded,
        TransformedDensity(numbers, tree): [
            "standardscaler__size",
            "standardscaler__weight",
            "remainder__age",
        ],
        TransformedDensity("passthrough", tree): ["weight", "age", "size"],
        TransformedDensity(StandardScaler(), tree): ["weight", "age", "size"],
        tree: ["weight", "age", "size"],
    }
    for density, columns in wanted.items():
        table = X if columns is encoded else X.drop(columns="kind")
        detector = DensityOutlierDetector(density, random_state=0).fit(table)
        names = detector.get_part_names("tree")
        assert names[0] == f"mixing 0: {', '.join(columns)}"
        assert [name.split(": ")[1] for name in names if name.startswith("leaf")] == columns


def test_parts_are_numbered_where_a_transformer_has_no_names():
    unnamed = make_pipeline(FunctionTransformer(np.asarray), PARTED["tree"])
    detector = DensityOutlierDetector(unnamed, random_state=0).fit(rows(60))
    assert detector.get_part_names("tree")[0] == "mixing 0: 0, 1, 2"


def test_topics_of_a_mixture_sum_to_what_is_typical_of_them():
    X, new = rows(200, 4), 2 * rows(30, 4, seed=1)
    detector = DensityOutlierDetector(GaussianMixture(3), random_state=0).fit(X)
    mixture = detector.densities_[0]
    typical = np.average(
        np.tile(mixture.score_samples(X)[:, None], 3), weights=mixture.predict_proba(X), axis=0
    )
    expected = mixture.predict_proba(new) * (typical - mixture.score_samples(new)[:, None])
    np.testing.assert_allclose(detector.explain(new, by="topics"), expected, atol=1e-9)


def test_parts_of_the_fractal_flow(fractal):
    X, new = rows(200, 4), rows(20, 4, seed=1)
    detector = DensityOutlierDetector(FrozenEstimator(fractal)).fit(X)
    tree = detector.explain(new, by="tree")
    np.testing.assert_allclose(
        tree.sum(axis=1), fractal.score(X) - fractal.score_samples(new), atol=1e-8
    )
    names = detector.get_part_names("tree")
    assert names[-1] == "prior"
    assert names[0] == "mixing 0: x0, x1, x2, x3"
    assert detector.get_part_names("topics") == ["topic 0", "topic 1", "topic 2"]


def test_searches_are_explained_by_what_they_found():
    X = rows()
    search = GridSearchCV(GaussianMixture(random_state=0), {"n_components": [1, 2]}, cv=2)
    detector = DensityOutlierDetector(search).fit(X)
    best = detector.densities_[0].best_estimator_
    assert detector.explain(X[:2], by="topics").shape == (2, best.n_components)


@pytest.mark.parametrize(
    ("part", "needed"),
    [("levels", "score_levels"), ("tree", "log_det_tree"), ("topics", "predict_proba")],
)
def test_parts_that_a_density_lacks_are_refused(part, needed):
    detector = DensityOutlierDetector(make_pipeline(StandardScaler(), KernelDensity())).fit(rows())
    message = f"'{part}' needs a density with {needed}.*KernelDensity has none"
    with pytest.raises(InvalidParameterError, match=message):
        detector.explain(rows(), by=part)
    with pytest.raises(InvalidParameterError, match=r"by must be one of.*got 'tre'"):
        detector.explain(rows(), by="tre")


# ---------------------------------------------------------------- an estimator like others


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
    [({}, 4), ({"n_estimators": 2}, 5), ({"trim": 0.1, "calibrate": True}, 8)],
    ids=str,
)
def test_verbose_shows_every_density_and_what_comes_after(options, n_steps, capfd):
    densities = [KernelDensity(), make_pipeline(StandardScaler(), FlowDensity(**SMALL))]
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
    # The bar of the flow itself, of each of its epochs.
    assert "3/3" in text
    assert "epoch" in text
    np.testing.assert_array_equal(shown.score_samples(rows(20)), silent.score_samples(rows(20)))
    assert densities[1][-1].verbose == 0


def test_frozen_densities_stay_silent():
    frozen = FrozenEstimator(GaussianMixture().fit(rows()))
    DensityOutlierDetector(frozen, verbose=1).fit(rows())
    assert frozen.verbose == 0


def test_nothing_works_before_fit():
    detector = DensityOutlierDetector(calibrate=True)
    for method in ("predict", "score_samples", "decision_function", "p_values", "explain"):
        with pytest.raises(NotFittedError):
            getattr(detector, method)(rows())


@pytest.mark.parametrize(
    "parameters",
    [
        {"contamination": 0.6},
        {"contamination": 0.0},
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

"""What a scikit-learn user does with a density, for every estimator of the table."""

from __future__ import annotations

import copy
import pickle
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback

from flowkit import DensityOutlierDetector, FlowDensity, StopTraining, TableDensity
from flowkit import bijections as b
from flowkit import priors as p
from flowkit.bijections import _rational_quadratic
from flowkit.exceptions import (
    FitDivergedError,
    HeavyValueWarning,
    InterruptedFitWarning,
    NotConvergedWarning,
    UncopyableCallbackError,
)
from flowkit.training import callbacks as training_callbacks

from ..table import ESTIMATORS, FLOWS

every_estimator = pytest.mark.parametrize("build", ESTIMATORS.values(), ids=ESTIMATORS)
every_flow = pytest.mark.parametrize("build", FLOWS.values(), ids=FLOWS)

CLASSES = ("default", "kernel", "fractal", "rg", "phvae")
every_class = pytest.mark.parametrize("build", [ESTIMATORS[name] for name in CLASSES], ids=CLASSES)

SMALL = {"n_transforms": 2, "hidden_units": 16, "max_epochs": 4, "random_state": 0}


def correlated(n=300, d=3, seed=0):
    rng = np.random.default_rng(seed)
    mixing = np.triu(np.ones((d, d)))
    return rng.normal(size=(n, d)) @ mixing * 10.0 ** np.arange(d) + 5.0


@pytest.fixture(scope="module")
def X():
    return correlated()


@pytest.fixture(scope="module")
def fitted(X):
    return FlowDensity(**SMALL).fit(X)


# ---------------------------------------------------------------- the density


@every_flow
def test_density_integrates_to_one_in_one_dimension(build):
    X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, 100) for m in (10, 20)])[:, None]
    density = build().fit(X)
    t = np.linspace(-12, 12, 40_001)
    x = 15 + np.sinh(t)
    values = np.exp(density.score_samples(x[:, None])) * np.cosh(t)
    assert trapezoid(values, t) == pytest.approx(1.0, abs=2e-3)


@every_flow
def test_density_integrates_to_one_in_two_dimensions(build):
    X = make_moons(300, noise=0.1, random_state=0)[0] * [100.0, 1.0]
    density = build().fit(X)
    t = np.linspace(-7, 7, 401)
    x = np.sinh(t)
    grid = np.stack(np.meshgrid(60 * x + 50, x + 0.25, indexing="ij"), -1).reshape(-1, 2)
    values = np.exp(density.score_samples(grid)).reshape(401, 401)
    weight = np.cosh(t)
    total = 60 * trapezoid(trapezoid(values * weight, t) * weight, t)
    assert total == pytest.approx(1.0, abs=0.02)


@every_estimator
def test_scores_carry_the_units_of_x(build, X):
    """Scaling a column by c divides the density by c."""
    scale = np.array([100.0, 0.01, 1.0])
    scores = build().fit(X).score_samples(X)
    scaled = build().fit(X * scale).score_samples(X * scale)
    np.testing.assert_allclose(scaled, scores - np.log(scale).sum(), rtol=1e-4, atol=1e-3)


@every_flow
def test_transform_is_undone_by_inverse_transform(build, X):
    density = build().fit(X)
    Z = density.transform(X)
    np.testing.assert_allclose(density.inverse_transform(Z), X, rtol=1e-6, atol=1e-6)
    far = X + 1e3 * X.std(0)
    np.testing.assert_allclose(density.inverse_transform(density.transform(far)), far, rtol=1e-6)


@every_flow
def test_score_samples_is_the_prior_of_the_latent_plus_the_log_determinant(build, X):
    density = build().fit(X)
    row = X[7]

    def latent(x):
        z = (x - torch.from_numpy(density.location_)) / torch.from_numpy(density.scale_)
        return density.module_.encode(z[None])[0]

    jacobian = torch.autograd.functional.jacobian(latent, torch.from_numpy(row))
    z = torch.from_numpy(density.transform(row[None]))
    expected = density.module_.prior.log_prob(z)[0] + jacobian.slogdet()[1]
    assert density.score_samples(row[None])[0] == pytest.approx(expected.item(), abs=1e-8)


@every_estimator
def test_samples_come_from_the_density(build, X):
    """The scores of samples are distributed as importance sampling of the density says."""
    density = build().fit(X)
    S = density.sample(2000, random_state=0)
    assert S.shape == (2000, 3)
    assert S.dtype == np.float64
    proposal = stats.multivariate_t(X.mean(0), 2 * np.cov(X.T), df=3)
    Q = proposal.rvs(20_000, random_state=0)
    log_ratio = density.score_samples(Q) - proposal.logpdf(Q)
    assert np.exp(log_ratio).mean() == pytest.approx(1.0, abs=0.1)
    weights = np.exp(log_ratio) / np.exp(log_ratio).sum()
    for column in range(3):
        quantiles = np.quantile(X[:, column], [0.1, 0.5, 0.9])
        expected = [weights @ (Q[:, column] <= q) for q in quantiles]
        got = [(S[:, column] <= q).mean() for q in quantiles]
        np.testing.assert_allclose(got, expected, atol=0.06)


def test_training_improves_on_the_start_where_there_is_structure():
    X = make_moons(1000, noise=0.05, random_state=0)[0]
    density = FlowDensity(max_epochs=30, prior="normal", random_state=0).fit(X[:800])
    valid = density.history_["valid_log_density"]
    assert valid[density.best_epoch_] > valid[0] + 0.3
    reference = stats.multivariate_normal(X[:800].mean(0), np.cov(X[:800].T))
    assert density.score(X[800:]) > reference.logpdf(X[800:]).mean() + 0.3


def test_epoch_zero_is_the_classical_model(X):
    """With learning all but off, the density is the one that it starts from."""
    still = {"learning_rate": 1e-12, "max_epochs": 1, "random_state": 0, "early_stopping": False}
    normal = FlowDensity(prior="normal", **still).fit(X)
    reference = stats.multivariate_normal(X.mean(0), np.cov(X.T, bias=True))
    np.testing.assert_allclose(normal.score_samples(X), reference.logpdf(X), rtol=1e-3, atol=1e-3)


def test_scores_are_float64_and_minus_infinity_where_there_is_no_density():
    X = np.random.default_rng(0).lognormal(size=(200, 2))
    density = FlowDensity(
        [b.Log(2), b.ElementwiseAffine(2)], prior="normal", standardize=False, max_epochs=2
    ).fit(X)
    scores = density.score_samples([[1.0, 1.0], [0.0, 1.0], [-3.0, 2.0]])
    assert scores.dtype == np.float64
    assert np.isfinite(scores[0])
    assert (scores[1:] == -np.inf).all()


def test_far_off_rows_score_low_but_never_nan(fitted, X):
    for distance in (1e2, 1e6, 1e100, 1e200, 1e308):
        scores = fitted.score_samples(np.array([[distance] * 3, [-distance, distance, 0.0]]))
        assert not np.isnan(scores).any()
        assert (scores < fitted.score_samples(X).min()).all()


# ---------------------------------------------------------------- same row, same score


@every_estimator
def test_a_row_scores_the_same_alone_in_any_batch_and_in_any_order(build, X):
    density = build().fit(X)
    together = density.score_samples(X)
    alone = np.concatenate([density.score_samples(X[i : i + 1]) for i in range(60)])
    np.testing.assert_allclose(alone, together[:60], rtol=1e-10, atol=1e-10)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(
        density.score_samples(X[order]), together[order], rtol=1e-12, atol=1e-12
    )
    many = np.tile(X, (40, 1))
    np.testing.assert_allclose(
        density.score_samples(many), np.tile(together, 40), rtol=1e-10, atol=1e-10
    )


@every_estimator
def test_scores_survive_pickle_joblib_and_copy_bit_for_bit(build, X, tmp_path):
    density = build().fit(X)
    expected = density.score_samples(X)
    joblib.dump(density, tmp_path / "density.joblib")
    for other in (
        pickle.loads(pickle.dumps(density)),
        copy.deepcopy(density),
        joblib.load(tmp_path / "density.joblib"),
    ):
        np.testing.assert_array_equal(other.score_samples(X), expected)
        np.testing.assert_array_equal(
            other.sample(5, random_state=0), density.sample(5, random_state=0)
        )


def test_pickles_hold_arrays_and_survive_later_changes_of_parameters(X):
    density = FlowDensity(**SMALL).fit(X)
    expected = density.score_samples(X)
    density.set_params(hidden_units=99, n_bins=3, prior="laplace", transforms="affine_coupling")
    again = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(again.score_samples(X), expected)
    state = density.__getstate__()
    assert not any(isinstance(v, torch.nn.Module | torch.Tensor) for v in state.values())


def test_scores_are_bit_identical_in_eight_threads_at_once(fitted, X):
    expected = fitted.score_samples(X)
    with ThreadPoolExecutor(8) as pool:
        for scores in pool.map(fitted.score_samples, [X] * 16):
            np.testing.assert_array_equal(scores, expected)


def test_fits_with_one_seed_are_bit_identical_also_in_threads(X):
    expected = FlowDensity(**SMALL).fit(X).score_samples(X)
    np.testing.assert_array_equal(FlowDensity(**SMALL).fit(X).score_samples(X), expected)
    with ThreadPoolExecutor(4) as pool:
        fits = [pool.submit(FlowDensity(**SMALL).fit, X) for _ in range(4)]
        for fit in fits:
            np.testing.assert_array_equal(fit.result().score_samples(X), expected)


def test_random_state_rules_fit_and_sample_and_the_global_generators_stay(X):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    density = FlowDensity(**SMALL).fit(X)
    draws = density.sample(4, random_state=1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state[1])  # noqa: NPY002
    np.testing.assert_array_equal(density.sample(4, random_state=1), draws)
    assert (density.sample(4, random_state=2) != draws).any()
    generator = np.random.RandomState(1)
    assert (density.sample(4, generator) != density.sample(4, generator)).all()
    other = clone(density).set_params(random_state=1).fit(X)
    assert not np.allclose(other.transform(X), density.transform(X), rtol=1e-5)
    state = np.random.RandomState(5)
    one = FlowDensity(**{**SMALL, "random_state": state}).fit(X).transform(X)
    two = FlowDensity(**{**SMALL, "random_state": state}).fit(X).transform(X)
    assert not np.allclose(one, two, rtol=1e-5)


def test_without_a_random_state_one_seed_is_drawn_from_numpy(X):
    """As in scikit-learn: a global numpy seed makes such fits repeatable, but none is set."""
    results = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        results.append(FlowDensity(**{**SMALL, "random_state": None}).fit(X).score_samples(X))
    np.testing.assert_array_equal(*results)
    follower = np.random.RandomState(0)
    follower.randint(2**31 - 1)
    assert np.random.randint(1000) == follower.randint(1000)  # noqa: NPY002


# ---------------------------------------------------------------- scikit-learn's tools


def test_clone_and_set_params(X):
    density = FlowDensity(**SMALL)
    assert clone(density).get_params() == density.get_params()
    assert density.set_params(n_bins=5).n_bins == 5
    with pytest.raises(ValueError, match="n_binz"):
        density.set_params(n_binz=5)


def test_grid_search_over_processes(X):
    search = GridSearchCV(
        FlowDensity(**SMALL), {"n_bins": [4, 8], "prior": ["normal"]}, cv=2, n_jobs=2
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    serial = GridSearchCV(FlowDensity(**SMALL), {"n_bins": [4, 8], "prior": ["normal"]}, cv=2).fit(
        X
    )
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"], rtol=1e-5
    )
    assert np.isfinite(search.score_samples(X)).all()
    assert search.best_estimator_.score(X) == pytest.approx(search.score(X))


def test_randomized_search_and_cross_val_score(X):
    search = RandomizedSearchCV(
        FlowDensity(**SMALL),
        {"learning_rate": stats.loguniform(1e-4, 1e-2)},
        n_iter=2,
        cv=2,
        random_state=0,
    ).fit(X)
    assert 1e-4 <= search.best_params_["learning_rate"] <= 1e-2
    scores = cross_val_score(FlowDensity(**SMALL), X, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()


def test_pipeline_searches_and_scores(X):
    pipeline = make_pipeline(StandardScaler(), FlowDensity(**SMALL)).fit(X)
    assert pipeline.score_samples(X).shape == (300,)
    assert pipeline.score(X) == pytest.approx(pipeline.score_samples(X).mean())
    assert pipeline.transform(X).shape == X.shape
    search = GridSearchCV(pipeline, {"flowdensity__n_bins": [4]}, cv=2).fit(X)
    assert search.best_params_ == {"flowdensity__n_bins": 4}


def test_set_output_feature_names_and_feature_union(X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    density = FlowDensity(**SMALL).set_output(transform="pandas").fit(frame)
    latent = density.transform(frame)
    assert list(latent.columns) == ["flowdensity0", "flowdensity1", "flowdensity2"]
    assert list(density.get_feature_names_out()) == list(latent.columns)
    union = FeatureUnion([("scaled", StandardScaler()), ("latent", FlowDensity(**SMALL))])
    both = union.set_output(transform="pandas").fit_transform(frame)
    assert both.shape == (300, 6)
    polars_frame = pl.DataFrame(frame.to_dict("list"))
    out = FlowDensity(**SMALL).set_output(transform="polars").fit_transform(polars_frame)
    assert isinstance(out, pl.DataFrame)


def test_data_frames_are_checked_by_name(X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    density = FlowDensity(**SMALL).fit(frame)
    assert list(density.feature_names_in_) == ["a", "b", "c"]
    np.testing.assert_array_equal(
        density.score_samples(frame), FlowDensity(**SMALL).fit(X).score_samples(X)
    )
    with pytest.raises(ValueError, match="feature names"):
        density.score_samples(frame[["b", "a", "c"]])
    with pytest.raises(ValueError, match="feature names"):
        density.score_samples(frame.rename(columns={"a": "z"}))


def test_sample_weight_is_routed_through_a_pipeline(X):
    weight = np.ones(len(X))
    weight[:150] = 5.0
    direct = FlowDensity(**SMALL).fit(X, sample_weight=weight).score_samples(X)
    with sklearn.config_context(enable_metadata_routing=True):
        density = FlowDensity(**SMALL).set_fit_request(sample_weight=True)
        density = density.set_score_request(sample_weight=True)
        pipeline = Pipeline([("density", density)]).fit(X, sample_weight=weight)
        np.testing.assert_array_equal(pipeline.score_samples(X), direct)
        scores = cross_val_score(density, X, cv=2, params={"sample_weight": weight})
    assert np.isfinite(scores).all()
    assert (direct != FlowDensity(**SMALL).fit(X).score_samples(X)).any()


def test_weights_pull_the_density_towards_heavy_rows():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-3, 1, (200, 1)), rng.normal(3, 1, (200, 1))])
    weight = np.repeat([9.0, 1.0], 200)
    density = FlowDensity(max_epochs=30, random_state=0).fit(X, sample_weight=weight)
    t = np.linspace(-15, 15, 3001)
    values = np.exp(density.score_samples(t[:, None]))
    assert trapezoid(values[t < 0], t[t < 0]) == pytest.approx(0.9, abs=0.06)


def test_equal_weights_are_no_weights(X):
    plain = FlowDensity(**SMALL).fit(X)
    for value in (1.0, 7.0):
        weighted = FlowDensity(**SMALL).fit(X, sample_weight=np.full(len(X), value))
        np.testing.assert_allclose(
            weighted.score_samples(X), plain.score_samples(X), rtol=1e-4, atol=1e-4
        )


def test_nearly_equal_weights_give_nearly_the_same_density():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 10))
    test = rng.normal(size=(500, 10))
    plain = FlowDensity(**SMALL).fit(X).score(test)
    for seed in range(3):
        weight = np.random.default_rng(seed).uniform(0.9, 1.1, 150)
        assert FlowDensity(**SMALL).fit(X, sample_weight=weight).score(test) > plain - 2


def _duplicated():
    X = np.random.default_rng(0).normal(size=(200, 3))
    return np.hstack([X, X[:, :2]])


def _two_scales():
    celsius = np.random.default_rng(0).normal(15, 8, (500, 1))
    return np.hstack([celsius, 1.8 * celsius + 32])


@pytest.mark.parametrize(
    "X",
    [
        _duplicated(),
        _two_scales(),
        np.random.default_rng(0).normal(size=(50, 60)),
        load_digits().data[:60],
    ],
    ids=["duplicated columns", "two scales of one column", "n < d", "digits"],
)
@pytest.mark.filterwarnings("ignore::flowkit.exceptions.FlowkitWarning")
def test_singular_covariances_do_not_wreck_the_density(X):
    density = FlowDensity(max_epochs=5, random_state=0).fit(X)
    # A normal density of each column on its own has this mean log density at best.
    alone = -np.log(density.scale_).sum() - 1.42 * X.shape[1]
    assert density.score(X) > alone - 0.5 * X.shape[1]
    assert density.history_["valid_log_density"][0] > alone - 2 * X.shape[1] or len(X) < 20


def test_a_flow_without_parameters_is_fitted_by_its_scale_alone(X):
    density = FlowDensity(b.Permutation(3), prior="normal").fit(X)
    expected = stats.norm(X.mean(0), X.std(0)).logpdf(X).sum(1)
    np.testing.assert_allclose(density.score_samples(X), expected, rtol=1e-6)
    assert len(density.history_["epoch"]) == density.n_iter_ + 1 == 1


def test_rows_of_weight_zero_are_left_out(X):
    wild = np.concatenate([X, 1e6 * np.ones((20, 3))])
    weight = np.concatenate([np.full(300, 1.0), np.zeros(20)])
    density = FlowDensity(**SMALL).fit(wild, sample_weight=weight)
    expected = FlowDensity(**SMALL).fit(X, sample_weight=np.ones(300))
    np.testing.assert_array_equal(density.score_samples(X), expected.score_samples(X))


def test_score_is_the_weighted_mean(fitted, X):
    scores = fitted.score_samples(X)
    assert fitted.score(X) == pytest.approx(scores.mean())
    weight = np.arange(len(X), dtype=float)
    expected = np.average(scores, weights=weight)
    assert fitted.score(X, sample_weight=weight) == pytest.approx(expected)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: X[::-1].copy()[::-1],
        lambda X: X.tolist(),
        lambda X: pd.DataFrame(X),
    ],
    ids=["fortran", "negative_strides", "list", "frame"],
)
def test_layout_of_x_does_not_matter(fitted, X, change):
    other = FlowDensity(**SMALL).fit(change(X))
    np.testing.assert_array_equal(other.score_samples(X), fitted.score_samples(X))
    np.testing.assert_allclose(fitted.score_samples(change(X)), fitted.score_samples(X), rtol=1e-12)


def test_memory_maps_are_read(fitted, X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(fitted.score_samples(mapped), fitted.score_samples(X))
    other = FlowDensity(**SMALL).fit(mapped)
    np.testing.assert_array_equal(other.score_samples(X), fitted.score_samples(X))


def test_float32_goes_in_and_out(fitted, X):
    single = X.astype(np.float32)
    assert fitted.transform(single).dtype == np.float32
    assert fitted.transform(X).dtype == np.float64
    assert fitted.score_samples(single).dtype == np.float64
    np.testing.assert_allclose(
        fitted.score_samples(single), fitted.score_samples(X), rtol=1e-3, atol=1e-3
    )


# ---------------------------------------------------------------- fitting


def test_history_has_one_entry_an_epoch_and_one_for_the_start(fitted):
    history = fitted.history_
    assert set(history) == {
        "epoch",
        "train_log_density",
        "valid_log_density",
        "learning_rate",
        "seconds",
    }
    assert all(len(column) == fitted.n_iter_ + 1 for column in history.values())
    np.testing.assert_array_equal(history["epoch"], np.arange(fitted.n_iter_ + 1))
    assert fitted.best_epoch_ == np.argmax(history["valid_log_density"])


def test_history_is_in_the_units_of_x(X):
    density = FlowDensity(**{**SMALL, "early_stopping": False, "dropout": 0.0}).fit(X)
    assert density.history_["train_log_density"][-1] == pytest.approx(density.score(X), abs=0.3)


def test_warm_start_goes_on_from_the_weights(X):
    density = FlowDensity(**SMALL, warm_start=True).fit(X)
    location = density.location_
    first = density.history_["valid_log_density"][density.best_epoch_]
    density.fit(X)
    assert density.location_ is location
    # The hold-out is the same, so the second fit starts where the first one ended.
    assert density.history_["valid_log_density"][0] == pytest.approx(first, abs=1e-4)
    cold = FlowDensity(**SMALL).fit(X)
    start = cold.history_["valid_log_density"][0]
    assert cold.fit(X).history_["valid_log_density"][0] == pytest.approx(start)


def test_partial_fit_learns_from_chunks():
    X = make_moons(2000, noise=0.05, random_state=0)[0]
    density = FlowDensity(n_transforms=2, hidden_units=32, prior="normal", random_state=0)
    scores = []
    for _ in range(10):
        for chunk in np.array_split(X, 4):
            density.partial_fit(chunk)
        scores.append(density.score(X))
    assert scores[-1] > scores[0] + 0.2
    assert density.n_iter_ == 40
    np.testing.assert_array_equal(density.history_["epoch"], np.arange(1, 41))
    assert len(density.history_["epoch"]) == 40
    again = FlowDensity(n_transforms=2, hidden_units=32, prior="normal", random_state=0)
    for _ in range(10):
        for chunk in np.array_split(X, 4):
            again.partial_fit(chunk)
    np.testing.assert_array_equal(again.score_samples(X), density.score_samples(X))


def test_partial_fit_keeps_the_first_chunks_scale_and_goes_on_after_pickling(X):
    density = FlowDensity(**SMALL).partial_fit(X[:100])
    location = density.location_.copy()
    before = density.score_samples(X)
    density = pickle.loads(pickle.dumps(density)).partial_fit(X[100:] + 50)
    density.partial_fit(X[:1])
    np.testing.assert_array_equal(density.location_, location)
    assert (density.score_samples(X) != before).any()


@every_class
def test_a_chunk_leaves_the_density_of_the_next_no_lower_than_before(build):
    X = correlated(3000)
    X[:, 1] += 0.1 * X[:, 0] ** 2
    chunks = np.array_split(X, 6)
    density = build(learning_rate=0.03).partial_fit(chunks[0])
    first = density.score(chunks[-1])
    for chunk, following in pairwise(chunks[1:]):
        before = density.score(following)
        density.partial_fit(chunk)
        # Judges err as a hundred rows do.
        assert density.score(following) > before - 0.1
    assert density.score(chunks[-1]) >= first
    assert np.isfinite(density.history_["valid_log_density"]).all()
    assert len(density.history_["epoch"]) == density.n_iter_ == 5
    assert 0 <= density.best_epoch_ <= 5


@every_class
def test_a_stream_that_changes_is_followed(build):
    rng = np.random.default_rng(0)
    density, scores = build(learning_rate=0.03, batch_size=40), []
    for i in range(8):
        density.partial_fit(rng.normal(1.5 * (i >= 2), 1.0, size=(400, 2)))
        scores.append(density.score(rng.normal(1.5, 1.0, size=(500, 2))))
    best = 2 * stats.norm.logpdf(rng.normal(size=2000)).mean()
    assert scores[1] < best - 1.0
    # Kernels stay on rows of the first chunk, so that a map has to do it all.
    share = 0.0 if getattr(density, "prior", None) == "kernel" else 0.7
    assert scores[-1] > scores[1] + share * (best - scores[1])


@every_class
def test_small_chunks_are_trained_on_too(build, X):
    density = build().partial_fit(X[:12])
    for start in (12, 14, 16):
        density.partial_fit(X[start : start + 2])
    assert density.n_iter_ == 4
    if getattr(density, "prior", None) != "kernel":
        for row in X[18:22]:
            density.partial_fit(row[None])
        assert density.n_iter_ == 8
        # One row in ten is held out, here at the ends of the second ten and before.
        assert len(density._stream["rows"]) == 2
        assert np.isnan(density.history_["train_log_density"]).sum() == 1
    assert np.isfinite(density.score_samples(X)).all()


def test_rows_held_out_of_a_stream_are_never_trained_on():
    seen = []

    class Sees(Callback):
        def __deepcopy__(self, memo):
            return self

        def on_batch_begin(self, net, batch=None, **kwargs):
            seen.append(batch[0].numpy().copy())

    X = correlated(30_000)
    density = FlowDensity(**{**SMALL, "dtype": "float64", "prior": "normal"}, callbacks=[Sees()])
    for chunk in np.split(X, [200, 300, 301, 302, 12_000]):
        density.partial_fit(chunk)
        held = density._stream["rows"]
        trained = {row.tobytes() for part in seen for row in part}
        assert not trained & {row.tobytes() for row in held}
    # Half of them are of the last chunk, which could have given all.
    assert held.shape == (1000, 3)
    last = {row.tobytes() for row in density._standardise(X[12_000:])}
    assert sum(row.tobytes() in last for row in held) == 500
    assert sum(map(len, seen)) == 30_000 - 20 - 10 - 0 - 500 - 500
    assert density._stream["n_seen"] == 30_000


def test_without_early_stopping_no_row_is_held_out_of_a_stream(X):
    density = FlowDensity(**SMALL, early_stopping=False).partial_fit(X)
    density.partial_fit(X)
    assert len(density._stream["rows"]) == 0
    assert np.isnan(density.history_["valid_log_density"]).all()
    assert density.best_epoch_ == 2


def test_passes_over_a_chunk_are_a_parameter(X):
    one = FlowDensity(**SMALL).partial_fit(X)
    many = FlowDensity(**SMALL, partial_fit_epochs=10).partial_fit(X)
    assert (one.n_iter_, many.n_iter_) == (1, 10)
    np.testing.assert_array_equal(many.history_["epoch"], np.arange(1, 11))
    valid = many.history_["valid_log_density"]
    assert (np.diff(valid) >= 0).all()
    assert valid[-1] > one.history_["valid_log_density"][-1]
    assert many.partial_fit(X[:50]).n_iter_ == 20


def test_a_stream_goes_on_where_it_was_after_pickling(X):
    """Only the moments of the optimiser are lost."""
    density = FlowDensity(**SMALL).partial_fit(X[:200])
    again = pickle.loads(pickle.dumps(density))
    for name in ("n_seen", "rows", "weight"):
        np.testing.assert_array_equal(again._stream[name], density._stream[name])
    for name, value in density._trainer.module_.state_dict().items():
        np.testing.assert_array_equal(again._stream["path"][name], value.numpy())
    still = {"learning_rate": 1e-12, "weight_decay": 0.0}
    again.set_params(**still).partial_fit(X[200:])
    for name, value in again._stream["path"].items():
        np.testing.assert_allclose(value, density._stream["path"][name], atol=1e-6)


def test_fit_forgets_a_stream(X):
    density = FlowDensity(**SMALL).partial_fit(X).fit(X)
    assert not hasattr(density, "_stream")
    assert not hasattr(density, "_trainer")
    before = density.score(X)
    for chunk in np.array_split(correlated(2000, seed=1), 4):
        density.partial_fit(chunk)
    assert density.score(X) > before - 0.1


def test_a_chunk_that_diverges_changes_nothing_and_the_stream_goes_on(X):
    class Explodes(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            if batch[0].max() > 100:
                batch[0].fill_(np.inf)

    density = FlowDensity(**SMALL, callbacks=[Explodes()]).partial_fit(X)
    before, state = density.score_samples(X), density._stream
    with pytest.raises(FitDivergedError):
        density.partial_fit(X * 1000)
    np.testing.assert_array_equal(density.score_samples(X), before)
    assert density._stream is state
    assert density.partial_fit(X).n_iter_ == 2


def test_weights_of_a_stream_count(X):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-3, 1, (400, 1)), rng.normal(3, 1, (400, 1))])
    weight = np.repeat([9.0, 1.0], 400)
    density = FlowDensity(random_state=0)
    for part in np.array_split(rng.permutation(800), 4):
        density.partial_fit(X[part], sample_weight=weight[part])
    assert set(np.unique(density._stream["weight"])) == {1.0, 9.0}
    t = np.linspace(-15, 15, 3001)
    values = np.exp(density.score_samples(t[:, None]))
    assert trapezoid(values[t < 0], t[t < 0]) == pytest.approx(0.9, abs=0.06)


# ---------------------------------------------------------------- how training ends


class EndsAt(Callback):
    """Ends training in a batch of the second epoch."""

    def __init__(self, act, n=1):
        self.act, self.n = act, n

    def on_batch_begin(self, net, training=False, **kwargs):
        if training and len(net.history) > self.n and len(net.history[-1]["batches"]) > 1:
            self.act()


def stop():
    raise StopTraining


def press():
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def sigint_is_heard():
    """Processes that a shell started in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@every_class
def test_a_callback_ends_training_in_silence(build, X):
    density = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(stop)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        density.fit(X)
    assert density.n_iter_ == 2
    assert {len(column) for column in density.history_.values()} == {3}
    assert density.best_epoch_ == np.argmax(density.history_["valid_log_density"])
    assert np.isfinite(density.score(X))


@pytest.mark.usefixtures("sigint_is_heard")
@every_class
def test_ctrl_c_keeps_the_best_weights_with_a_warning(build, X):
    density = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(press)])
    with pytest.warns(InterruptedFitWarning, match=r"in epoch 2; .*StopTraining"):
        density.fit(X)
    stopped = build(max_epochs=20, batch_size=60, callbacks=[EndsAt(stop)]).fit(X)
    np.testing.assert_array_equal(density.score_samples(X), stopped.score_samples(X))
    with pytest.warns(InterruptedFitWarning):
        chunk = build(batch_size=60, callbacks=[EndsAt(press, 0)]).partial_fit(X)
    assert chunk.n_iter_ == 1
    assert {len(column) for column in chunk.history_.values()} == {1}


@pytest.mark.usefixtures("sigint_is_heard")
def test_ctrl_c_before_training_leaves_the_estimator_as_it_was(X):
    class First(Callback):
        def on_train_begin(self, net, **kwargs):
            press()

    density = FlowDensity(**SMALL, callbacks=[First()])
    with pytest.raises(KeyboardInterrupt):
        density.fit(X)
    assert not hasattr(density, "module_")
    density.set_params(callbacks=None).fit(X)
    before = dict(vars(density))
    with pytest.raises(KeyboardInterrupt):
        density.set_params(callbacks=[First()]).fit(X)
    assert density.module_ is before["module_"]


@pytest.mark.parametrize("how", ["raise KeyboardInterrupt", "self.end()"])
def test_where_a_callback_raises_does_not_matter(how, X):
    """Its source may not even exist."""
    names = {"Callback": Callback}
    exec(
        "class Mine(Callback):\n"
        "    def end(self): raise KeyboardInterrupt\n"
        f"    def on_epoch_end(self, net, **kwargs): {how}\n",
        names,
    )
    with pytest.warns(InterruptedFitWarning, match="StopTraining"):
        density = FlowDensity(**SMALL, callbacks=[names["Mine"]()]).fit(X)
    assert density.n_iter_ == 1


class Clock:
    """Time that passes only when it is asked for."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 1.0
        return self.now


@every_class
def test_training_ends_in_time(build, X, monkeypatch):
    density = build(max_epochs=10_000, batch_size=60, max_time=30.0)
    monkeypatch.setattr(training_callbacks, "time", Clock())
    density.fit(X)
    # Twice a batch, of which an epoch has five.
    assert density.n_iter_ == 3
    assert {len(column) for column in density.history_.values()} == {4}
    rate = density.history_["learning_rate"][1:]
    assert rate[-1] < 0.1 * rate[0]
    assert np.isfinite(density.score(X))
    streamed = clone(density).set_params(max_time=4.0, partial_fit_epochs=50).partial_fit(X)
    assert streamed.n_iter_ == 1


@pytest.mark.parametrize("max_time", [0, -1.0, "1s"])
def test_impossible_times_are_refused(max_time, X):
    with pytest.raises(ValueError, match="max_time"):
        FlowDensity(max_time=max_time).fit(X)


def test_an_unfinished_fit_says_so(monkeypatch):
    t = np.random.default_rng(0).normal(size=(400, 1))
    X = np.hstack([t, t**2, np.sin(3 * t)])
    X += 0.02 * np.random.default_rng(1).normal(size=X.shape)
    options = {**SMALL, "prior": "normal", "batch_size": 400, "max_epochs": 40}
    options["learning_rate"] = 0.01

    class Later(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 40:
                raise StopTraining

    with pytest.warns(NotConvergedWarning, match=r"gained .* in the last 20 epochs: raise max_ep"):
        FlowDensity(**options).fit(X)
    assert issubclass(NotConvergedWarning, ConvergenceWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FlowDensity(**{**options, "max_epochs": 30}).fit(X)
        FlowDensity(**options, partial_fit_epochs=40).partial_fit(X)
        FlowDensity(**{**options, "max_epochs": 99}, callbacks=[Later()]).fit(X)
        FlowDensity(**options).fit(np.random.default_rng(0).normal(size=(400, 2)))
    monkeypatch.setattr(training_callbacks, "time", Clock())
    with pytest.warns(NotConvergedWarning, match="raise max_time"):
        FlowDensity(**{**options, "max_epochs": 9999}, max_time=90.0).fit(X)


@every_class
def test_callbacks_that_cannot_be_copied_are_named(build, X):
    class Locked(Callback):
        def __init__(self):
            self.lock = threading.Lock()

    density = build(callbacks=[Locked()])
    for method in (density.fit, density.partial_fit):
        with pytest.raises(UncopyableCallbackError, match=r"Locked.*initialize"):
            method(X)
    assert not hasattr(density, "module_")
    for holder in (TableDensity(density), DensityOutlierDetector(density)):
        with pytest.raises(UncopyableCallbackError, match=r"Locked.*initialize"):
            holder.fit(X)


@pytest.mark.parametrize("noise", ["scott", 0.3])
def test_training_noise_widens_the_density(noise, X):
    options = {**SMALL, "prior": "normal", "max_epochs": 60, "learning_rate": 0.01}
    options["early_stopping"] = False
    plain = FlowDensity(**options, noise=None).fit(X[:100])
    noisy = FlowDensity(**options, noise=noise).fit(X[:100])
    spread = [np.linalg.det(np.cov(d.sample(2000, random_state=0).T)) for d in (plain, noisy)]
    assert spread[1] > 1.1 * spread[0]


def test_repeated_values_get_noise_of_their_spacing():
    rng = np.random.default_rng(0)
    X = np.stack(
        [rng.normal(size=500), rng.poisson(3, 500), np.round(rng.normal(size=500), 1)], axis=1
    )
    density = FlowDensity(**SMALL).fit(X)
    np.testing.assert_allclose(density.dequantization_, [0.0, 1.0, 0.1], rtol=1e-6)
    assert np.isfinite(density.score_samples(X)).all()
    # The density of a count, times its spacing of one, is close to its probability.
    counts = FlowDensity(max_epochs=30, random_state=0).fit(X[:, 1:2])
    probability = np.exp(counts.score_samples(np.arange(8.0)[:, None]))
    np.testing.assert_allclose(probability, stats.poisson(3).pmf(np.arange(8)), atol=0.06)
    off = FlowDensity(**SMALL, dequantize=None).fit(X)
    np.testing.assert_array_equal(off.dequantization_, 0.0)


def test_a_mostly_zero_column_stays_finite():
    rng = np.random.default_rng(0)
    X = np.stack([rng.normal(size=400), np.where(rng.random(400) < 0.6, 0.0, rng.random(400))], 1)
    with pytest.warns(HeavyValueWarning, match=r"column 1 holds 0 in"):
        density = FlowDensity(**SMALL).fit(X)
    np.testing.assert_array_equal(density.dequantization_, 0)
    ((column, value, width),) = density.heavy_values_
    assert (column, value) == (1, 0)
    assert 0 < width < 0.05
    assert np.isfinite(density.score_samples(X)).all()


@pytest.mark.parametrize(
    "transforms",
    [
        b.SplineCoupling(3, hidden_units=8),
        [b.ActNorm(3), b.SinhArcsinh(3), b.LULinear(3), b.AffineCoupling(3, hidden_units=8)],
        (b.ElementwiseSpline(3), b.Permutation(3), b.AffineAutoregressive(3, hidden_units=8)),
    ],
    ids=["one", "list", "tuple"],
)
def test_own_bijections_are_used_and_left_unchanged(transforms, X):
    before = copy.deepcopy(transforms)
    density = FlowDensity(transforms, prior="normal", max_epochs=3, random_state=0).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    modules = transforms if isinstance(transforms, list | tuple) else [transforms]
    originals = before if isinstance(before, list | tuple) else [before]
    for module, original in zip(modules, originals, strict=True):
        for name, value in module.state_dict().items():
            assert torch.equal(value, original.state_dict()[name])
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(density)).score_samples(X), density.score_samples(X)
    )
    assert clone(density).fit(X).score(X) == pytest.approx(density.score(X))


def test_a_mixture_that_was_not_started_is_started_from_data():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(m, 0.3, (200, 2)) for m in (-5, 0, 5)])
    density = FlowDensity(**{**SMALL, "prior": p.GaussianMixture(2, 3, "diag")}).fit(X)
    assert density.module_.prior.n_components == 3
    assert torch.pdist(density.module_.prior.means).min() > 0.3
    started = p.GaussianMixture(2, 1)
    started.start(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None])
    kept = FlowDensity(**{**SMALL, "prior": started, "learning_rate": 1e-12}).fit(X)
    torch.testing.assert_close(kept.module_.prior.means.float(), started.means, rtol=0, atol=1e-6)


def test_frozen_parameters_of_given_bijections_stay_frozen(X):
    affine = b.ElementwiseAffine(3).requires_grad_(False)
    density = FlowDensity([affine, b.LULinear(3)], prior="normal", max_epochs=3, random_state=0)
    density.fit(X)
    kept, trained = density.module_.bijection.bijections
    assert not kept.raw.requires_grad
    assert torch.equal(kept.raw, torch.zeros_like(kept.raw))
    assert trained.bias.abs().sum() > 0


def test_own_prior_is_used(X):
    density = FlowDensity(**{**SMALL, "prior": p.StudentT(3, learnable=True)}).fit(X)
    assert isinstance(density.module_.prior, p.StudentT)
    assert np.isfinite(density.score(X))


def test_compile_gives_the_same_scores(X, monkeypatch):
    plain = FlowDensity(**SMALL).fit(X)
    asked = []
    kernels = _rational_quadratic._kernels
    monkeypatch.setattr(
        _rational_quadratic, "_kernels", lambda compile: asked.append(compile) or kernels(compile)
    )
    fused = FlowDensity(**SMALL, compile=True).fit(X)
    assert asked.count(True) > 10
    assert fused.score(X) == pytest.approx(plain.score(X), abs=1e-2)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(fused)).score_samples(X), fused.score_samples(X)
    )


def test_verbose_shows_a_bar_and_silence_is_silent(X, capsys):
    FlowDensity(**SMALL).fit(X)
    quiet = capsys.readouterr()
    assert (quiet.out, quiet.err) == ("", "")
    FlowDensity(**SMALL, verbose=1).fit(X)
    assert "hold-out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "method", ["score_samples", "score", "transform", "inverse_transform", "sample"]
)
def test_unfitted_estimators_say_so(method, X):
    arguments = [] if method == "sample" else [X]
    with pytest.raises(NotFittedError):
        getattr(FlowDensity(), method)(*arguments)


def test_real_table_beats_a_single_gaussian():
    X = load_breast_cancer().data[:, :10]
    train, test = X[:400], X[400:]
    density = FlowDensity(random_state=0).fit(train)
    gaussian = stats.multivariate_normal(train.mean(0), np.cov(train.T), allow_singular=True)
    assert density.score(test) > gaussian.logpdf(test).mean()


def test_a_chunk_that_is_refused_leaves_the_stream_as_it_was(X):
    chunks = np.array_split(X, 3)
    streams = [FlowDensity(**SMALL).partial_fit(chunks[0]) for _ in range(2)]
    with pytest.raises(ValueError, match="infinity"):
        streams[0].partial_fit(np.full((3, X.shape[1]), np.inf))
    scores = [stream.partial_fit(chunks[1]).score_samples(X) for stream in streams]
    np.testing.assert_array_equal(*scores)


def test_time_that_the_start_has_used_up_is_told(X):
    with pytest.warns(NotConvergedWarning, match=r"max_time=1e-06 ran out .* start"):
        density = FlowDensity(**{**SMALL, "max_time": 1e-6}).fit(X)
    assert density.n_iter_ == 1

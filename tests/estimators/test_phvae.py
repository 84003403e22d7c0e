"""PHVAE as a scikit-learn user meets it."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_moons
from sklearn.decomposition import FactorAnalysis
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import PHVAE
from flowkit.exceptions import ChangedParameterError, InvalidDataError, InvalidParameterError

SMALL = {"n_components": 2, "hidden_units": 16, "max_epochs": 4, "random_state": 0}


def small(**changes):
    return PHVAE(**{**SMALL, **changes})


def correlated(n=300, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)) + 0.5 * rng.normal(size=(n, d)) + 5.0


@pytest.fixture(scope="module")
def X():
    return correlated()


@pytest.fixture(scope="module")
def fitted(X):
    return small().fit(X)


@pytest.fixture(scope="module")
def grey():
    return (load_digits().images[:300] * 255 / 16).astype(np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prior_flow": None, "posterior_flow": "sylvester", "decoder_scale": "learned"},
        {"likelihood": "student_t", "degree": 1, "divergence": "kl", "prior_flow": "fractal"},
    ],
    ids=["default", "sylvester", "student_t"],
)
def test_density_integrates_to_one(options):
    column = np.concatenate([np.random.default_rng(0).normal(m, 1.0, 100) for m in (10, 20)])
    density = small(n_components=1, n_importance_samples=512, **options).fit(column[:, None])
    t = np.linspace(-10, 10, 251)
    values = np.exp(density.score_samples(15 + np.sinh(t)[:, None])) * np.cosh(t)
    assert trapezoid(values, t) == pytest.approx(1.0, abs=0.015)
    X = make_moons(300, noise=0.1, random_state=0)[0] * [100.0, 1.0]
    density = small(n_components=1, n_importance_samples=256, **options).fit(X)
    t = np.linspace(-4, 4, 49)
    x, weight = np.sinh(t), np.cosh(t)
    grid = np.stack(np.meshgrid(60 * x + 50, x + 0.25, indexing="ij"), -1).reshape(-1, 2)
    values = np.exp(density.score_samples(grid)).reshape(49, 49)
    total = 60 * trapezoid(trapezoid(values * weight, t) * weight, t)
    assert total == pytest.approx(1.0, abs=0.03)


def test_epoch_zero_is_factor_analysis(X):
    still = {"learning_rate": 1e-12, "max_epochs": 1, "early_stopping": False, "random_state": 0}
    density = PHVAE(3, degree=1, prior_flow=None, **still).fit(X)
    reference = FactorAnalysis(3, tol=1e-8, max_iter=5000).fit(X)
    # Thirty steps of expectation maximisation come close to the optimum.
    np.testing.assert_allclose(density.score(X), reference.score(X), atol=0.02)
    # With one posterior that is exact, there is nothing for draws to tell.
    scores = density.score_samples(X)
    np.testing.assert_allclose(density.elbo(X), scores, atol=0.05)
    Z = density.transform(X)
    np.testing.assert_allclose(np.cov(Z.T) - np.diag(np.diag(np.cov(Z.T))), 0, atol=0.05)
    # Higher orders know the rows, but the decoder does not listen to them yet.
    orders = PHVAE(3, degree=3, prior_flow=None, n_importance_samples=1024, **still).fit(X)
    few, error = orders.score_samples(X, return_std=True)
    assert (np.abs(few - scores) < 3 * error + 1e-6).mean() > 0.95
    assert few.mean() == pytest.approx(scores.mean(), abs=0.2)
    assert (orders.transform(X).std(0) > 0.3).all()


def test_error_tells_how_far_the_estimate_is_from_one_of_many_draws(fitted, X):
    few, error = fitted.score_samples(X, return_std=True)
    many = clone(fitted)
    many.__dict__.update(fitted.__dict__)
    many.set_params(n_importance_samples=2048)
    exact, small_error = many.score_samples(X, return_std=True)
    assert (np.abs(few - exact) < 5 * error + 0.05).mean() > 0.98
    assert np.median(small_error) < 0.3 * np.median(error)
    assert fitted.elbo(X).mean() < exact.mean()
    assert few.mean() == pytest.approx(exact.mean(), abs=0.2)
    one = many.set_params(n_importance_samples=1).score_samples(X, return_std=True)[1]
    assert np.isinf(one).all()


def test_training_improves_on_the_start_where_there_is_structure():
    X = make_moons(1200, noise=0.05, random_state=0)[0]
    density = PHVAE(hidden_units=64, max_epochs=20, random_state=0).fit(X[:1000])
    valid = density.history_["valid_log_density"]
    assert valid[density.best_epoch_] > valid[0] + 0.5
    reference = FactorAnalysis(1).fit(X[:1000])
    assert density.score(X[1000:]) > reference.score(X[1000:]) + 0.5


def test_anomalies_score_low():
    X, y = load_breast_cancer(return_X_y=True)
    benign, malignant = X[y == 1], X[y == 0]
    density = PHVAE(max_epochs=15, random_state=0).fit(benign[:250])
    rows = np.concatenate([benign[250:], malignant])
    label = np.arange(len(rows)) >= len(benign) - 250
    assert roc_auc_score(label, -density.score_samples(rows)) > 0.93
    assert roc_auc_score(label, density.reconstruction_error(rows)) > 0.8


def test_far_off_rows_score_low_but_never_nan(fitted, X):
    for distance in (1e2, 1e6, 1e100, 1e308):
        rows = np.array([[distance] * 6, [-distance, distance] * 3])
        scores, error = fitted.score_samples(rows, return_std=True)
        assert not np.isnan(scores).any()
        assert not np.isnan(error).any()
        assert (scores < fitted.score_samples(X).min()).all()


def test_a_nearly_constant_column_does_not_rule_the_latent():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 40)) * 40 + 128
    rare = np.zeros((500, 1))
    rare[7] = 1
    X = np.hstack([X.clip(0, 255).round(), rare])
    density = small(n_components=3, likelihood="discretized_logistic").fit(X)
    strange = np.hstack([X[:3, :-1], [[1], [50], [221]]])
    assert np.abs(density.transform(strange)).max() < 50


def test_latents_by_order_are_the_columns_of_transform(fitted, X):
    Z = fitted.transform(X)
    assert Z.shape == (300, 6)
    by_order = fitted.latent_by_order(X)
    assert by_order.shape == (3, 300, 2)
    np.testing.assert_array_equal(np.concatenate(list(by_order), axis=1), Z)
    names = [f"phvae_order{order}_{number}" for order in (1, 2, 3) for number in (0, 1)]
    assert list(fitted.get_feature_names_out()) == names
    frame = small().set_output(transform="pandas").fit_transform(pd.DataFrame(X).add_prefix("c"))
    assert list(frame.columns) == names


def test_reconstruction_decodes_the_latent_and_can_leave_orders_out(fitted, X):
    whole = fitted.reconstruct(X)
    np.testing.assert_allclose(whole, fitted.inverse_transform(fitted.transform(X)), rtol=1e-10)
    np.testing.assert_array_equal(fitted.reconstruct(X, orders=[3, 1, 2]), whole)
    first = fitted.reconstruct(X, orders=[1])
    assert np.abs(first - whole).max() > 1e-6
    # What is left out is the same for all rows.
    none = fitted.reconstruct(X, orders=[])
    assert np.ptp(none, axis=0).max() < 1e-9
    error = fitted.reconstruction_error(X)
    np.testing.assert_allclose(error, (((whole - X) / fitted.scale_) ** 2).mean(1), rtol=1e-8)
    for orders in ([0], [4], [1.5]):
        with pytest.raises(InvalidParameterError, match="orders must be taken from 1 to 3"):
            fitted.reconstruct(X, orders=orders)


def test_history_tells_each_order(fitted):
    extra = {"reconstruction_log_density", "divergence_1", "divergence_2", "divergence_3"}
    assert extra < set(fitted.history_)
    for name in extra:
        assert len(fitted.history_[name]) == fitted.n_iter_ + 1
        assert np.isfinite(fitted.history_[name][1:]).all()
    # With the divergence warm and of weight one, the loss is what they say.
    plain = small(prior_flow=None, kl_warmup=0.0, max_epochs=2).fit(correlated())
    history = plain.history_
    total = history["reconstruction_log_density"] - sum(
        history[f"divergence_{order}"] for order in (1, 2, 3)
    )
    np.testing.assert_allclose(total[1:], history["train_log_density"][1:], rtol=1e-5)


def test_history_tells_the_share_of_the_flows(fitted):
    history = small(kl_warmup=0.0, max_epochs=2).fit(correlated()).history_
    names = [f"divergence_{order}" for order in (1, 2, 3, "flow")]
    total = history["reconstruction_log_density"] - sum(history[name] for name in names)
    np.testing.assert_allclose(total[1:], history["train_log_density"][1:], rtol=1e-5)


def test_patience_begins_when_the_divergence_is_warm(X):
    # No epoch gains so much, and steps are as many as patience takes at least.
    options = {"tol": 10.0, "n_iter_no_change": 1, "batch_size": 2, "max_epochs": 8}
    density = small(kl_warmup=0.75, **options).fit(X[:120])
    assert 6 <= density.n_iter_ < 8


def test_weights_as_arrays_survive_a_warm_start(X):
    density = small(divergence_weights=np.ones(3), prior_flow=None, warm_start=True).fit(X)
    density.set_params(divergence_weights=np.ones(3)).fit(X)
    with pytest.raises(ChangedParameterError, match="divergence_weights was"):
        density.set_params(divergence_weights=np.ones(3) / 2).fit(X)


def test_common_weights_with_flows_keep_samples_like_the_rows(X):
    for weight in (0.1, 4.0):
        density = small(divergence_weights=weight, max_epochs=15).fit(X)
        spread = density.sample(2000, random_state=0).std(0) / X.std(0)
        assert (spread < 1.6).all()
    with pytest.raises(InvalidParameterError, match="give one weight"):
        small(divergence_weights=[1.0, 2.0, 1.0]).fit(X)


def test_partial_fit_keeps_the_history_of_each_order(X):
    density = small().partial_fit(X[:150]).partial_fit(X[150:])
    assert np.isfinite(density.history_["divergence_3"]).all()
    assert len(density.history_["divergence_3"]) == 2


@pytest.mark.parametrize("divergence", ["hierarchical", "log_ratio", "kl"])
def test_heavier_divergences_leave_less_information(divergence, X):
    options = {"divergence": divergence, "prior_flow": None, "max_epochs": 30}
    light = small(divergence_weights=0.1, **options).fit(X)
    heavy = small(divergence_weights=[20.0] * 3, **options).fit(X)
    assert light.best_epoch_ > 0
    assert heavy.best_epoch_ > 0
    assert heavy.transform(X).var(0).sum() < 0.5 * light.transform(X).var(0).sum()


@pytest.mark.parametrize(
    ("posterior_flow", "prior_flow"),
    [
        ("planar", None),
        ("sylvester", "coupling"),
        ("iaf", "autoregressive"),
        ("coupling", "fractal"),
    ],
)
def test_every_flow_trains_scores_samples_and_pickles(posterior_flow, prior_flow, X):
    density = small(posterior_flow=posterior_flow, prior_flow=prior_flow, max_epochs=2).fit(X)
    assert np.isfinite(density.score_samples(X)).all()
    again = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(again.score_samples(X), density.score_samples(X))
    np.testing.assert_array_equal(again.transform(X), density.transform(X))
    assert np.isfinite(density.sample(5, random_state=0)).all()


def test_images_of_eight_bits(grey):
    grey = grey[:100]
    density = small(image_shape=(8, 8), hidden_units=8, max_epochs=3).fit(grey)
    rows = grey.reshape(100, -1)
    np.testing.assert_array_equal(density.score_samples(grey), density.score_samples(rows))
    normal = small(image_shape=(8, 8), hidden_units=8, max_epochs=1, likelihood="normal").fit(grey)
    for drawn in (density.sample(7, random_state=0), normal.sample(7, random_state=0)):
        np.testing.assert_array_equal(drawn, drawn.astype(np.uint8))
    # The density is constant on cells of width one around grey levels, and zero elsewhere.
    bits = -density.score(rows) / (64 * np.log(2))
    assert density.bits_per_dim(grey) == pytest.approx(bits)
    assert bits < 8
    outside = rows[:1].astype(float)
    outside[0, 3] = 256
    assert density.score_samples(outside)[0] == -np.inf
    assert density.transform(grey).shape == (100, 6)
    again = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(again.score_samples(rows), density.score_samples(rows))


def test_draws_without_noise_are_means_of_the_same_latents(grey):
    density = small(image_shape=(8, 8)).fit(grey)
    latents = density.module_.prior.sample(5, density._evaluator.generator(0)).numpy()
    means = density.sample(5, random_state=0, noise=False)
    np.testing.assert_allclose(means, density.inverse_transform(latents))
    draws = density.sample(5, random_state=0)
    assert set(np.unique(draws)) <= set(range(256))
    assert not np.array_equal(draws, means.round())
    for noise in (True, False):
        with pytest.raises(InvalidDataError, match="n_samples"):
            density.sample(0, noise=noise)


def high_frequency_power(images):
    power = np.abs(np.fft.fft2(images)) ** 2
    high = np.abs(np.fft.fftfreq(images.shape[1])) > 1 / 3
    return power[:, high[:, None] | high].sum(1).mean()


@pytest.mark.parametrize("likelihood", ["normal", "discretized_logistic"])
def test_noise_is_as_smooth_as_what_the_latent_leaves(likelihood):
    noise = np.random.default_rng(0).normal(size=(600, 10, 10))
    X = gaussian_filter(noise, (0, 0.7, 0.7))
    if likelihood == "discretized_logistic":
        X = (127 + 60 * X / X.std()).clip(0, 255).astype(np.uint8)
    train, test = X[:500], X[500:]
    # Two factors leave nearly everything.
    given = {"image_shape": (10, 10), "n_components": 1, "degree": 2, "max_epochs": 15}
    wanted = high_frequency_power(test)
    smooth, grainy = (
        small(**given, likelihood=likelihood, residual_radius=r).fit(train) for r in (2, 0)
    )
    powers = [
        high_frequency_power(density.sample(300, random_state=0).reshape(-1, 10, 10)) / wanted
        for density in (smooth, grainy)
    ]
    assert 0.8 < powers[0] < 1.2
    assert powers[1] > 1.5
    assert smooth.score(test) > grainy.score(test)
    errors = [density.reconstruction_error(test).mean() for density in (smooth, grainy)]
    assert errors[0] == pytest.approx(errors[1], rel=0.05)


def test_colour_images_and_floats(grey):
    images = np.stack([grey[:60], 255 - grey[:60], grey[:60] // 2], -1) / 255
    density = small(image_shape=(8, 8, 3), hidden_units=8, max_epochs=2).fit(images)
    assert density.reconstruct(images).shape == (60, 192)
    assert (density.sample(3, random_state=0) % 1 > 0).all()
    assert np.isfinite(density.score_samples(images)).all()
    with pytest.raises(InvalidDataError, match="expected images of shape"):
        density.score_samples(images[..., 0])


def test_zeros_and_ones():
    X = (load_digits().data[:300] > 8).astype(float)
    density = small(likelihood="bernoulli", max_epochs=5).fit(X)
    assert (density.score_samples(X) < 0).all()
    assert set(np.unique(density.sample(20, random_state=0))) == {0.0, 1.0}
    assert density.bits_per_dim(X) == pytest.approx(-density.score(X) / (64 * np.log(2)))
    decoded = density.reconstruct(X)
    assert ((decoded > 0) & (decoded < 1)).all()
    # Probabilities of all rows of two columns sum to one.
    pairs = small(likelihood="bernoulli", n_components=1, n_importance_samples=512).fit(X[:, 20:22])
    every = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
    assert np.exp(pairs.score_samples(every)).sum() == pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize(
    ("likelihood", "bad"),
    [
        ("bernoulli", 0.5),
        ("bernoulli", 2.0),
        ("discretized_logistic", 0.5),
        ("discretized_logistic", 256.0),
        ("discretized_logistic", -1.0),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_values_that_a_likelihood_does_not_have_are_named(likelihood, bad, method):
    frame = pd.DataFrame(np.random.default_rng(0).integers(0, 2, (50, 3)), columns=list("abc"))
    density = small(likelihood=likelihood).fit(frame)
    wrong = frame.astype(float)
    wrong.loc[4, "b"] = bad
    with pytest.raises(InvalidDataError, match=r"column\(s\) b hold others"):
        getattr(density, method)(wrong)
    # Grey levels stand for cells of width one.
    inside = likelihood == "discretized_logistic" and bad == 0.5
    assert np.isfinite(density.score_samples(wrong)[4]) == inside


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"divergence_weights": [1.0, 2.0]}, "one for each of the 3 orders"),
        ({"divergence_weights": [1.0, -2.0, 1.0]}, "none of them negative"),
        ({"divergence_weights": ["a", "b", "c"]}, "divergence_weights must be"),
        ({"likelihood": "bernouli"}, "Did you mean 'bernoulli'"),
        ({"posterior_flow": "planarr"}, "Did you mean 'planar'"),
        ({"decoder_scale": 0.0}, "decoder_scale"),
        ({"degree": 0}, "degree"),
        ({"kl_warmup": 1.5}, "kl_warmup"),
        ({"n_importance_samples": 0}, "n_importance_samples"),
        ({"image_shape": (4, 4)}, "expected rows of 16 values"),
    ],
)
def test_impossible_parameters_are_refused(parameters, message, X):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(X)


@pytest.mark.parametrize("n", [0, 2.5, "many"])
def test_impossible_numbers_of_draws_are_refused_when_scoring(n, fitted, X):
    density = clone(fitted)
    density.__dict__.update(fitted.__dict__)
    with pytest.raises(InvalidParameterError, match="n_importance_samples must be an int"):
        density.set_params(n_importance_samples=n).score(X)


@pytest.mark.filterwarnings("ignore::flowkit.exceptions.NoHoldOutWarning")
def test_few_rows_do_not_start_as_a_spike():
    X = correlated(40)
    for n in (4, 8):
        density = PHVAE(max_epochs=1, random_state=0).fit(X[:n])
        # A normal density of each column on its own has this mean log density at best.
        alone = -np.log(X.std(0)).sum() - 1.42 * X.shape[1]
        assert density.score(X[n:]) > alone - 30


def test_noise_on_discrete_values_is_refused():
    X = np.random.default_rng(0).integers(0, 2, (50, 3))
    with pytest.raises(InvalidParameterError, match="set noise=None"):
        small(likelihood="bernoulli", noise=0.1).fit(X)


def test_shape_cannot_change_while_training_goes_on(X):
    density = small().partial_fit(X)
    with pytest.raises(ChangedParameterError, match="degree was 3"):
        density.set_params(degree=2).partial_fit(X)


def test_a_failed_fit_leaves_the_estimator_as_it_was(fitted, X):
    density = pickle.loads(pickle.dumps(fitted))
    before = density.score_samples(X)
    with pytest.raises(InvalidDataError):
        density.fit(np.full((10, 6), np.nan))
    np.testing.assert_array_equal(density.score_samples(X), before)


def test_works_in_a_pipeline_and_with_weights(X):
    pipeline = make_pipeline(StandardScaler(), small()).fit(X)
    assert pipeline.score_samples(X).shape == (300,)
    weight = np.where(X[:, 0] > np.median(X[:, 0]), 10.0, 1.0)
    heavy = small(max_epochs=10).fit(X, sample_weight=weight).sample(2000, random_state=0)
    plain = small(max_epochs=10).fit(X).sample(2000, random_state=0)
    assert heavy[:, 0].mean() > plain[:, 0].mean() + 0.3

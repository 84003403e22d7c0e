"""What densities begin as: margins, linear maps, mixtures, against densities that are known."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import stats

from flowkit import FlowDensity, FractalFlowDensity, RGFlowDensity
from flowkit import priors as p
from flowkit.exceptions import InvalidParameterError
from flowkit.starts._margins import choose_margins, fit_margins, margin_forms
from flowkit.starts._mixture_start import choose_start


def two_states(rng, n, d=2):
    """Narrow states far apart: all of the structure is finer than the deviation by 2e6."""
    high = rng.integers(0, 2, n)[:, None]
    X = 9_999.0 * high + rng.normal(0, 0.01, (n, d))
    return X, np.log(0.5) + stats.norm(0, 0.01).logpdf(X - 9_999 * high).sum(1)


def two_scales(rng, n):
    narrow = rng.random(n) < 0.3
    x = rng.normal(size=n) * np.where(narrow, 1e-3, 1.0)
    parts = [np.log(0.3) + stats.norm(0, 1e-3).logpdf(x), np.log(0.7) + stats.norm.logpdf(x)]
    return x[:, None], np.logaddexp(*parts)


def correlated(rng, n, rho=0.99999):
    own = np.sqrt(1 - rho**2)
    a = rng.normal(size=n)
    b = rho * a + own * rng.normal(size=n)
    return np.column_stack([a, b]), stats.norm.logpdf(a) + stats.norm(rho * a, own).logpdf(b)


def lognormal(rng, n, d=2):
    X = rng.lognormal(0, 3, (n, d))
    return X, stats.lognorm(3).logpdf(X).sum(1)


def below(rng, n):
    """The heavy tail on the other side of a bound."""
    X, log_density = lognormal(rng, n)
    return 7.0 - X, log_density


def heavy_on_both_sides(rng, n):
    X = 100 + rng.standard_cauchy((n, 2))
    return X, stats.cauchy.logpdf(X - 100).sum(1)


def correlated_lognormal(rng, n):
    normal, log_density = correlated(rng, n, 0.999)
    return np.exp(2 * normal), log_density - 2 * normal.sum(1) - 2 * np.log(2)


def loss(density, make, seed=0):
    """Nats by which new rows are less likely than under the truth."""
    rng = np.random.default_rng(seed)
    X, _ = make(rng, 1000)
    test, truth = make(rng, 2000)
    return truth.mean() - density.fit(X).score(test)


@pytest.mark.parametrize("make", [two_states, two_scales, correlated, lognormal])
def test_flow_starts_at_densities_with_structure_of_any_size(make):
    assert abs(loss(FlowDensity(max_epochs=1, random_state=0), make)) < 0.1


@pytest.mark.parametrize(
    "make", [correlated, lognormal, below, heavy_on_both_sides, correlated_lognormal]
)
def test_flow_on_one_normal_does_where_it_is_no_mixture(make):
    density = FlowDensity(prior="normal", max_epochs=1, random_state=0)
    assert abs(loss(density, make)) < 0.1


def fractal(**options):
    """Without topics of words, which take longest to find."""
    return FractalFlowDensity(lda_backend=None, max_epochs=1, random_state=0, **options)


@pytest.mark.parametrize("make", [lognormal, below, heavy_on_both_sides])
@pytest.mark.parametrize(
    "density", [fractal(), RGFlowDensity(max_epochs=1, random_state=0)], ids=["fractal", "rg"]
)
def test_other_flows_bend_heavy_tails(density, make):
    assert abs(loss(density, make)) < 0.15


def test_topics_of_words_bend_heavy_tails_of_few_rows():
    rng = np.random.default_rng(0)
    X, _ = lognormal(rng, 150)
    test, truth = lognormal(rng, 2000)
    brief = {"n_topics": 2, "n_blocks": 1, "hidden_units": 8, "max_epochs": 1}
    density = FractalFlowDensity(random_state=0, **brief).fit(X)
    assert abs(truth.mean() - density.score(test)) < 0.3


def test_topics_are_as_narrow_as_the_states():
    # The truth has no state that is wider than 0.01 of 9,999.
    assert loss(fractal(), two_states) < 2.0


def test_draws_are_as_narrow_as_the_states():
    rng = np.random.default_rng(0)
    density = FlowDensity(max_epochs=1, random_state=0).fit(two_states(rng, 1000, d=1)[0])
    draws = density.sample(2000, random_state=0)
    distance = np.abs(draws - 9_999.0 * (draws > 5_000))
    assert np.median(distance) == pytest.approx(0.01 * stats.norm.ppf(0.75), rel=0.1)
    again = pickle.loads(pickle.dumps(density))
    np.testing.assert_allclose(
        again.score_samples(draws), density.score_samples(draws), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("n_columns", [1, 3])
def test_ordinary_columns_are_left_as_they_are(n_columns):
    Z = np.random.default_rng(0).normal(size=(500, n_columns))
    assert margin_forms(Z) == [(), ("spline",)]
    assert choose_margins(Z, stats.norm).form == ()
    uniform = np.random.default_rng(0).uniform(size=(500, n_columns))
    assert margin_forms(uniform) == [(), ("spline",)]


def test_only_heavy_columns_are_bent():
    rng = np.random.default_rng(0)
    Z = np.column_stack([rng.normal(size=500), rng.lognormal(0, 3, 500), np.ones(500)])
    margins = fit_margins(("arcsinh",), Z)
    assert margins.bend[-1].tolist() == [False, True, False]
    rows, log_det = margins.apply(Z)
    np.testing.assert_array_equal(rows[:, [0, 2]], Z[:, [0, 2]])
    assert abs(rows[:, 1].mean()) < 1e-9
    assert abs(rows[:, 1].std() - 1) < 1e-9
    step = 1e-6 * Z[:, 1]
    moved = np.column_stack([Z[:, 0], Z[:, 1] + step, Z[:, 2]])
    slope = (margins.apply(moved)[0][:, 1] - rows[:, 1]) / step
    np.testing.assert_allclose(log_det, np.log(slope), atol=1e-4)


def test_directions_without_any_spread_are_left_with_some():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(500, 2))
    Z = np.column_stack([a, a.sum(1)])
    start = choose_start(Z, None, True, None, None, np.random.RandomState(0))
    matrix = start.linear[0]
    covariances = start.prior.covariances
    back = np.linalg.inv(matrix)
    assert np.linalg.eigvalsh(back @ covariances @ back.T).min() > 0.9e-13
    density = FlowDensity(max_epochs=2, random_state=0).fit(Z)
    assert np.isfinite(density.score_samples(Z)).all()
    assert density.score(Z) > density.score(Z + np.array([0, 0, 0.1])) + 100


@pytest.mark.parametrize("cls", [FlowDensity, FractalFlowDensity])
@pytest.mark.parametrize("prior", ["normal", None])
def test_rows_too_few_to_leave_any_out_settle_no_floor(cls, prior):
    """One row that outweighs all others, and two that lie on a line."""
    options = {"max_epochs": 1, "random_state": 0}
    options |= {"prior": prior} if prior else {}
    weight = np.r_[1e9, np.ones(99)]
    X = np.random.default_rng(0).normal(size=(100, 3))
    density = cls(**options).fit(X, sample_weight=weight)
    assert np.isfinite(density.score_samples(X[:1])).all()
    if cls is FlowDensity:
        two = cls(**options, n_components=1, early_stopping=False).fit(X[:2])
        assert np.isfinite(two.score_samples(X[:2])).all()


@pytest.mark.parametrize("build", [p.GaussianMixture, p.Topic])
def test_deviations_of_priors_stay_above_the_least(build):
    for least in (1e-3, 1e-6):
        prior = build(1, 2, min_deviation=least).double()
        with torch.no_grad():
            prior.log_diagonal.fill_(100.0)
        peak = prior.log_prob(prior.means.reshape(-1, 1)[:1].detach()).item()
        assert peak == pytest.approx(-np.log(least) - 0.5 * np.log(2 * np.pi), abs=0.01)
    with pytest.raises(InvalidParameterError, match="min_deviation"):
        build(1, 2, min_deviation=0.0)
    assert copy.deepcopy(prior).min_deviation == 1e-6


@pytest.mark.filterwarnings("ignore::flowkit.exceptions.NoHoldOutWarning")
@pytest.mark.parametrize(("n", "d"), [(12, 15), (25, 20)])
def test_few_rows_of_many_columns_do_not_make_topics_singular(n, d):
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(d, d))
    training, test = (rng.normal(size=(m, d)) @ mixing.T for m in (n, 300))
    density = fractal(learning_rate=1e-9).fit(training)
    plain = stats.norm(training.mean(0), training.std(0)).logpdf(test).sum(1).mean()
    assert density.score(test) > plain - d

"""Scores of incomplete rows: integrals over what is missing."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from flowkit import FlowDensity, FractalFlowDensity, RGFlowDensity
from flowkit import bijections as b
from flowkit.exceptions import InvalidParameterError
from flowkit.missing import _completion

from .examples import DENSITIES, correlated, every_density, integrated, moons, with_holes


@every_density
def test_the_marginal_is_the_integral_over_the_missing_column(build, holes):
    density = build().fit(holes)
    rows = moons(12, seed=5)
    rows[:6, 0] = np.nan
    rows[6:, 1] = np.nan
    scores, error = density.score_marginal(rows)
    expected = [integrated(density, row) for row in rows]
    assert (np.abs(scores - expected) <= 3 * error).all()
    assert error.max() < 0.2
    np.testing.assert_array_equal(density.score_samples(rows), scores)


def test_the_marginal_integrates_to_one(fitted):
    t = np.linspace(-6, 6, 401)
    for known in (0, 1):
        x = fitted.location_[known] + fitted.scale_[known] * t
        rows = np.full((len(x), 2), np.nan)
        rows[:, known] = x
        scores, _ = fitted.score_marginal(rows, n_draws=64)
        total = trapezoid(np.exp(scores), x)
        assert total == pytest.approx(1.0, abs=0.01)


def test_complete_rows_keep_their_scores_and_empty_rows_score_zero(fitted):
    X = moons(20)
    rows = np.concatenate([X, with_holes(X), np.full((2, 2), np.nan)])
    scores, error = fitted.score_marginal(rows)
    np.testing.assert_allclose(scores[:20], fitted.score_samples(X), rtol=0, atol=1e-12)
    assert (error[:20] == 0).all()
    assert (scores[-2:] == 0).all()
    assert (error[-2:] == 0).all()


@every_density
def test_a_row_scores_the_same_whatever_stands_beside_it(build):
    X = correlated()
    density = build().fit(with_holes(X))
    rows = with_holes(X[:40], 0.4, seed=3)
    together = density.score_samples(rows)
    alone = np.concatenate([density.score_samples(row[None]) for row in rows])
    np.testing.assert_allclose(alone, together, rtol=1e-9, atol=1e-9)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_allclose(density.score_samples(rows[order]), together[order], atol=1e-9)
    np.testing.assert_array_equal(density.score_samples(rows), together)


def test_scores_of_known_parts_carry_their_units(holes):
    scale = np.array([100.0, 0.01])
    rows = moons(6)
    rows[:3, 0] = np.nan
    rows[3:, 1] = np.nan
    scores = DENSITIES["flow"]().fit(holes).score_samples(rows)
    scaled = DENSITIES["flow"]().fit(holes * scale).score_samples(rows * scale)
    shift = np.log(np.repeat(scale[::-1], 3))
    np.testing.assert_allclose(scaled, scores - shift, rtol=1e-4, atol=1e-3)


def test_far_off_rows_score_low_but_never_nan(fitted):
    usual = fitted.score_samples([[np.nan, 0.2]])[0]
    for distance in (1e3, 1e8, 1e100, 1e200):
        scores, error = fitted.score_marginal([[np.nan, distance], [-distance, np.nan]])
        assert not (np.isnan(scores) | np.isnan(error)).any()
        assert (scores < usual - 10).all()


def test_known_values_outside_the_support_have_no_density():
    X = np.random.default_rng(0).lognormal(size=(300, 2))
    density = FlowDensity(
        [b.Log(2), b.LULinear(2)],
        prior="normal",
        standardize=False,
        missing="marginalize",
        max_epochs=2,
        random_state=0,
    ).fit(with_holes(X))
    scores, error = density.score_marginal([[1.0, np.nan], [-1.0, np.nan]])
    assert np.isfinite(scores[0])
    assert scores[1] == -np.inf
    assert error[1] == 0
    assert (density.impute(with_holes(X), random_state=0) > 0).all()


COMPLETE = {
    **{
        name: lambda build=build, **kw: build(missing=None, **kw)
        for name, build in DENSITIES.items()
    },
    "kernel": lambda **kw: FlowDensity(
        prior="kernel", noise=0.1, n_transforms=2, hidden_units=16, max_epochs=4, random_state=0
    ),
}
after_complete_rows = pytest.mark.parametrize("build", COMPLETE.values(), ids=COMPLETE)


@after_complete_rows
def test_marginals_after_complete_rows_are_the_integrals(build):
    density = build().fit(moons())
    rows = moons(6, seed=5)
    rows[:2, 0] = np.nan
    rows[2:4, 1] = np.nan
    scores, error = density.score_marginal(rows)
    expected = [integrated(density, row) for row in rows[:4]]
    assert (np.abs(scores[:4] - expected) <= 3 * error[:4]).all()
    assert 0 < error[:4].min() <= error.max() < 0.2
    np.testing.assert_array_equal(scores[4:], density.score_samples(rows[4:]))
    filled = density.impute(rows, n_draws=2, random_state=0)
    np.testing.assert_array_equal(filled, density.impute(rows, n_draws=2, random_state=0))
    known = ~np.isnan(rows)
    assert (filled[:, known] == rows[known]).all()
    assert np.isfinite(density.score_samples(filled.reshape(-1, 2))).all()


@pytest.mark.parametrize("name", ["flow", "fractal", "kernel"])
def test_marginals_after_complete_rows_do_not_depend_on_what_was_called_before(name):
    build = COMPLETE[name]
    rows = with_holes(moons(8, seed=5))
    density = build(max_epochs=1).fit(moons(100))
    stored = pickle.dumps(density)
    scores, error = density.score_marginal(rows)
    for other in (
        build(max_epochs=1).fit(moons(100)),
        pickle.loads(stored),
        pickle.loads(pickle.dumps(density)),
    ):
        other.impute(rows[::-1], n_draws=3)
        other.score_marginal(rows[:1], n_draws=2)
        for got, expected in zip(other.score_marginal(rows), (scores, error), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_marginals_follow_a_density_that_trains_on():
    rows = with_holes(moons(20, seed=5))
    density = COMPLETE["flow"]().partial_fit(moons())
    density.score_marginal(rows)
    density.partial_fit(moons(seed=3) + 5.0)
    expected = pickle.loads(pickle.dumps(density)).score_marginal(rows)[0]
    np.testing.assert_array_equal(density.score_marginal(rows)[0], expected)
    untouched = COMPLETE["flow"]().partial_fit(moons()).partial_fit(moons(seed=3) + 5.0)
    np.testing.assert_array_equal(untouched.score_marginal(rows)[0], expected)


def test_marginals_of_normal_rows_are_the_known_ones():
    X = correlated(1500)
    mean, covariance = X.mean(0), np.cov(X.T)
    # It starts from one Gaussian, and hardly leaves it.
    density = COMPLETE["flow"](n_components=1, max_epochs=1, learning_rate=1e-5).fit(X)
    rows = correlated(60, seed=1)
    for known in ([0], [1, 2], [0, 2]):
        part = rows.copy()
        part[:, [j for j in range(3) if j not in known]] = np.nan
        scores, error = density.score_marginal(part)
        truth = stats.multivariate_normal(mean[known], covariance[np.ix_(known, known)])
        np.testing.assert_allclose(scores, truth.logpdf(rows[:, known]), atol=0.05)
        assert error.max() < 0.05


def test_values_that_repeat_are_imputed_after_complete_rows():
    X = load_iris().data
    filled = COMPLETE["flow"]().fit(X).impute(with_holes(X, seed=9), random_state=0)
    for j in range(4):
        assert np.isin(filled[:, j], X[:, j]).all()


@pytest.mark.parametrize("kind", [FractalFlowDensity, RGFlowDensity])
def test_pixels_are_not_integrated_over(kind):
    images = np.random.default_rng(0).uniform(size=(50, 4, 4))
    density = kind(image_shape=(4, 4), hidden_units=8, max_epochs=1, random_state=0).fit(images)
    for method in ("score_marginal", "impute"):
        with pytest.raises(InvalidParameterError, match=rf"{method} is for tables.*inpaint"):
            getattr(density, method)(np.full((1, 16), np.nan))


@after_complete_rows
def test_before_fit_there_is_nothing_to_integrate(build):
    for method in ("score_marginal", "impute"):
        with pytest.raises(NotFittedError):
            getattr(build(), method)(moons(2))


def test_stated_errors_are_those_of_a_long_run(fitted):
    rows = with_holes(moons(60, seed=11), 0.6)
    rows = rows[np.isnan(rows).any(1) & ~np.isnan(rows).all(1)]
    found, error = fitted.score_marginal(rows)
    long, uncertain = fitted.score_marginal(rows, n_draws=4096)
    off = np.abs(found - long) / np.hypot(error, uncertain)
    assert np.mean(off <= 2) > 0.9
    assert uncertain.max() < error.max() / 4
    np.testing.assert_array_equal(fitted.score_samples(rows), found)


@pytest.mark.parametrize("n_draws", [2, 3, 4, 5])
def test_few_draws_do_not_pass_for_accurate_ones(n_draws, fitted):
    rows = with_holes(moons(60, seed=11), 0.6)
    rows = rows[np.isnan(rows).any(1) & ~np.isnan(rows).all(1)]
    found, error = fitted.score_marginal(rows, n_draws=n_draws)
    off = np.abs(found - fitted.score_marginal(rows, n_draws=1024)[0])
    assert np.sqrt(np.mean(off**2)) < 0.5
    assert np.median(error) > 0.4 * np.median(off)


def test_rows_of_large_error_get_more_draws(fitted, monkeypatch):
    rows = with_holes(moons(40, seed=12), 0.6)
    few = fitted.score_marginal(rows)[1]
    monkeypatch.setattr(_completion, "_TOLERANCE", np.median(few[few > 0]))
    more = fitted.score_marginal(rows)[1]
    again = few > np.median(few[few > 0])
    assert (more[again] < few[again]).mean() > 0.9
    np.testing.assert_array_equal(more[~again], few[~again])

"""Rows with missing values: trained on, scored by what is known, and filled."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from skorch.callbacks import Callback

from flowkit import PHVAE, FlowDensity, FractalFlowDensity, RGFlowDensity
from flowkit import bijections as b
from flowkit import priors as p
from flowkit.exceptions import (
    ChangedParameterError,
    ConstantColumnWarning,
    InterruptedFitWarning,
    InvalidDataError,
    InvalidParameterError,
)
from flowkit.missing import _conditionals
from flowkit.missing import _incomplete_rows as _missing
from flowkit.missing._conditionals import Mixture, fit_incomplete, maximise, variances
from flowkit.training import _streams
from flowkit.training import callbacks as training_callbacks

from ..estimators.test_conformance import EXPECTED_FAILURES

SMALL = {"hidden_units": 16, "max_epochs": 4, "random_state": 0, "missing": "marginalize"}
DENSITIES = {
    "flow": lambda **kw: FlowDensity(**{**SMALL, "n_transforms": 2, "n_components": 4, **kw}),
    "laplace": lambda **kw: FlowDensity(**{**SMALL, "n_transforms": 2, "prior": "laplace", **kw}),
    "autoregressive": lambda **kw: FlowDensity(
        "affine_autoregressive", **{**SMALL, "n_transforms": 2, "prior": "student_t", **kw}
    ),
    "fractal": lambda **kw: FractalFlowDensity(3, **{**SMALL, **kw}),
    "rg": lambda **kw: RGFlowDensity(**{**SMALL, "n_layers": 1, "hidden_units": 8, **kw}),
}
every_density = pytest.mark.parametrize("build", DENSITIES.values(), ids=DENSITIES)


def with_holes(X, share=0.3, seed=1):
    hidden = np.random.default_rng(seed).uniform(size=X.shape) < share
    return np.where(hidden, np.nan, X)


def moons(n=400, seed=0):
    """In units that differ by column."""
    return make_moons(n, noise=0.1, random_state=seed)[0] * [10.0, 1.0] + [50.0, 0.0]


def correlated(n=400, seed=0):
    return np.random.default_rng(seed).multivariate_normal(
        [1.0, -2.0, 0.0], [[4.0, 1.8, 0.5], [1.8, 1.0, 0.2], [0.5, 0.2, 1.0]], n
    )


def random_mixture(k=3, d=4, seed=0):
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(k, d, d)) * 0.4 + np.eye(d)
    weights = rng.dirichlet(np.full(k, 3.0))
    return Mixture(weights, rng.normal(size=(k, d)), roots @ roots.swapaxes(1, 2))


@pytest.fixture(scope="module")
def holes():
    return with_holes(moons())


@pytest.fixture(scope="module")
def fitted():
    return FlowDensity(
        n_transforms=3, hidden_units=32, max_epochs=20, random_state=0, missing="marginalize"
    ).fit(with_holes(moons(600)))


# ---------------------------------------------------------------- the mixture


def test_known_parts_of_a_mixture_have_the_density_of_the_marginals():
    mixture = random_mixture()
    Z = with_holes(np.random.default_rng(1).normal(size=(40, 4)), 0.5)
    Z[:2] = [[0.1, 0.2, 0.3, 0.4], [np.nan] * 4]
    covariances = np.linalg.inv(mixture.precisions)
    for row, got in zip(Z, mixture.log_density(Z), strict=True):
        known = np.flatnonzero(~np.isnan(row))
        expected = (
            sum(
                weight
                * stats.multivariate_normal(mean[known], cov[np.ix_(known, known)]).pdf(row[known])
                for weight, mean, cov in zip(
                    mixture.weights, mixture.means, covariances, strict=True
                )
            )
            if known.size
            else 1.0
        )
        assert got == pytest.approx(np.log(expected), abs=1e-9)


def test_densities_of_draws_integrate_to_one():
    mixture = random_mixture(d=3)
    _, conditional = next(mixture.given(np.array([[0.5, np.nan, -0.3]])))
    t = np.linspace(-12, 12, 20_001)
    for log_density in conditional.log_densities(np.sinh(t)[None, :, None]):
        assert trapezoid(np.exp(log_density[0]) * np.cosh(t), t) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("wide", [False, True])
def test_draws_have_the_densities_that_are_stated_of_them(wide):
    """Wide ones, weighted by the ratio of densities, have the moments of the others."""
    mixture, n = random_mixture(d=3), 2**15
    _, conditional = next(mixture.given(np.array([[0.5, np.nan, np.nan]])))
    points = torch.quasirandom.SobolEngine(4, scramble=True, seed=0).draw(n, dtype=torch.float64)
    values = conditional.draw(points.numpy()[None].clip(1e-9, 1 - 1e-9), wide)
    own, other = conditional.log_densities(values)
    weight = np.exp(own - other)[0] if wide else np.ones(n)
    assert weight.mean() == pytest.approx(1.0, abs=0.01)
    grid = np.stack(np.meshgrid(*[np.linspace(-9, 9, 400)] * 2, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(mixture.log_density(np.column_stack([np.full(len(grid), 0.5), grid])))
    density /= density.sum()
    for power in (1, 2):
        got = weight @ values[0] ** power / weight.sum()
        np.testing.assert_allclose(got, density @ grid**power, rtol=0.03, atol=0.03)


def test_expectation_maximisation_never_loses_likelihood():
    Z = with_holes(np.concatenate([correlated(200), correlated(200) * [1, -1, 1] + 6]), 0.4)
    Z = Z[~np.isnan(Z).all(1)]
    mixture = random_mixture(3, 3)
    reached = [mixture.log_density(Z).mean()]
    for _ in range(15):
        mixture = maximise(mixture, Z, 1e-9 * variances(Z), max_steps=1)
        reached.append(mixture.log_density(Z).mean())
    assert np.diff(reached).min() > -1e-6
    assert reached[-1] > reached[0] + 1


def test_one_gaussian_with_holes_has_the_moments_of_complete_rows():
    """Where the missing part depends on the known one, means over known values are wrong."""
    X = correlated(2000)
    Z = X.copy()
    Z[X[:, 0] > 1.0, 1] = np.nan
    one = Mixture(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])
    fitted = maximise(one, Z, variances(Z))
    assert abs(np.nanmean(Z[:, 1]) - X[:, 1].mean()) > 0.4
    assert fitted.means[0, 1] == pytest.approx(X[:, 1].mean(), abs=0.1)
    np.testing.assert_allclose(np.linalg.inv(fitted.precisions[0]), np.cov(X.T), atol=0.35)


def test_the_number_of_components_is_chosen():
    rng = np.random.RandomState(0)
    one = fit_incomplete(with_holes(correlated(500)), None, rng)
    assert len(one.weights) == 1
    two = np.concatenate([correlated(300), correlated(300) + 30])
    assert len(fit_incomplete(with_holes(two), None, rng).weights) == 2


# ---------------------------------------------------------------- marginals with a closed form


def gaussian_mixture_density(**kw):
    rng = np.random.default_rng(0)
    roots = rng.normal(size=(3, 3, 3)) * 0.3 + np.eye(3)
    prior = p.GaussianMixture(3, 3)
    prior.start(
        torch.tensor([0.2, 0.3, 0.5]),
        torch.from_numpy(rng.normal(size=(3, 3))).float(),
        torch.from_numpy(roots @ roots.transpose(0, 2, 1)).float(),
    )
    return FlowDensity([b.ElementwiseAffine(3)], prior=prior, **{**SMALL, "max_epochs": 1, **kw})


def topic_density(covariance="diag", **kw):
    prior = p.Topic(3, 2, [[0, 2], [1]], nodes=16, covariance=covariance)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        for parameter in prior.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
    return FlowDensity([b.ElementwiseAffine(3)], prior=prior, **{**SMALL, "max_epochs": 1, **kw})


class ArcSinh(b.Elementwise):
    """A map that the package does not know."""

    def _forward_by_column(self, x, context):
        return torch.asinh(x), -0.5 * torch.log1p(x.square())

    def _inverse_by_column(self, z, context):
        return torch.sinh(z), z.cosh().log()


CLOSED = {
    "gaussian_mixture": gaussian_mixture_density,
    "topic": topic_density,
    "topic_full": lambda **kw: topic_density("full", **kw),
    "laplace": lambda **kw: FlowDensity(
        [b.ElementwiseSpline(3)], prior="laplace", **{**SMALL, "max_epochs": 1, **kw}
    ),
    "new_elementwise": lambda **kw: FlowDensity(
        [b.Inverse(ArcSinh(3)), b.Compose([b.ActNorm(3), ArcSinh(3)])],
        prior="laplace",
        **{**SMALL, "max_epochs": 1, **kw},
    ),
}
every_closed_form = pytest.mark.parametrize("build", CLOSED.values(), ids=CLOSED)


def integrated(density, row, half_width=12.0, n=301):
    """Log of the integral of the density over the missing columns of a row, on a grid."""
    missing = np.flatnonzero(np.isnan(row))
    t = np.linspace(-half_width, half_width, n if len(missing) > 1 else 4001)
    axes = [density.location_[j] + density.scale_[j] * t for j in missing]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    rows = np.broadcast_to(row, (*grid.shape[:-1], len(row))).copy()
    rows[..., missing] = grid
    values = np.exp(density.score_samples(rows.reshape(-1, len(row)))).reshape(grid.shape[:-1])
    for axis in reversed(axes):
        values = trapezoid(values, axis)
    return np.log(values)


@every_closed_form
def test_marginals_are_exact_where_they_have_a_closed_form(build):
    X = correlated()
    density = build().fit(with_holes(X))
    rows = X[:5].copy()
    rows[[0, 1, 2, 3, 4, 4], [0, 1, 2, 0, 0, 1]] = np.nan
    scores, error = density.score_marginal(rows)
    assert (error == 0).all()
    np.testing.assert_allclose(scores, [integrated(density, row) for row in rows], atol=5e-3)


def test_the_marginal_of_a_mixture_is_that_of_its_components():
    X = correlated()
    density = gaussian_mixture_density().fit(X)
    prior, affine = density.module_.prior, density.module_.bijection
    with torch.no_grad():
        zero, one = (affine(torch.full((1, 3), float(i), dtype=torch.float64))[0] for i in (0, 1))
        weights = prior.logits.softmax(0).numpy()
        factor = prior.off_diagonal.triu(1) + torch.diag_embed(prior.log_diagonal.exp())
        covariances = torch.linalg.inv(factor @ factor.mT).numpy()
        means = prior.means.numpy()
    shift, slope = zero[0].numpy(), (one - zero)[0].numpy()
    known = [0, 2]
    slope, latent = (slope / density.scale_)[known], shift + slope * density._standardise(X)
    expected = (
        sum(
            weight
            * stats.multivariate_normal(mean[known], cov[np.ix_(known, known)]).pdf(
                latent[:, known]
            )
            for weight, mean, cov in zip(weights, means, covariances, strict=True)
        )
        * np.abs(slope).prod()
    )
    rows = X.copy()
    rows[:, 1] = np.nan
    np.testing.assert_allclose(density.score_samples(rows), np.log(expected), atol=1e-9)


@every_closed_form
def test_draws_agree_with_the_closed_form_within_their_error(build, monkeypatch):
    X = correlated()
    density = build().fit(with_holes(X))
    rows = with_holes(X[:60], 0.5)
    exact, _ = density.score_marginal(rows)
    monkeypatch.setattr(_missing, "closed_form", lambda *args: None)
    estimate, error = density.score_marginal(rows)
    drawn = np.isnan(rows).any(1) & ~np.isnan(rows).all(1)
    assert (error[drawn] > 0).all()
    assert (error[~drawn] == 0).all()
    assert (np.abs(estimate - exact) <= 3 * error + 1e-12).all()
    assert np.median(error) < 0.1
    few = density.score_marginal(rows, n_draws=32)[1]
    assert np.median(error[drawn]) < 0.6 * np.median(few[drawn])


def test_draws_from_the_density_itself_have_no_error(monkeypatch):
    X = correlated()
    density = gaussian_mixture_density(standardize=False).fit(X)
    rows = with_holes(X[:60], 0.5)
    exact, _ = density.score_marginal(rows)
    prior, affine = density.module_.prior, density.module_.bijection
    with torch.no_grad():
        zero, one = (
            affine(torch.full((1, 3), float(i), dtype=torch.float64))[0][0].numpy() for i in (0, 1)
        )
        factor = prior.precision_factors().numpy()
        means = (prior.means.numpy() - zero) / (one - zero)
    factor = factor * (one - zero)[:, None]
    own = {"means": means, "precisions": factor @ factor.swapaxes(1, 2)}
    density._completion |= own | {"weights": prior.logits.softmax(0).detach().numpy()}
    monkeypatch.setattr(_missing, "closed_form", lambda *args: None)
    estimate, error = density.score_marginal(rows, n_draws=8)
    np.testing.assert_allclose(estimate, exact, atol=1e-8)
    assert error.max() < 1e-8


def test_couplings_have_no_closed_form(fitted, holes):
    Z = fitted._standardise(holes)
    assert _conditionals.closed_form(fitted.module_, Z, torch.device("cpu")) is None


# ---------------------------------------------------------------- marginals by draws


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


# ---------------------------------------------------------------- trained on complete rows

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


@every_closed_form
def test_closed_forms_after_complete_rows_need_no_draws(build, monkeypatch):
    density = build(missing=None).fit(correlated())
    rows = correlated()[:5]
    rows[[0, 1, 2, 3, 4], [0, 1, 2, 0, 0]] = np.nan
    monkeypatch.setattr(_missing, "proposals", None)
    scores, error = density.score_marginal(rows)
    assert (error == 0).all()
    np.testing.assert_allclose(scores, [integrated(density, row) for row in rows], atol=5e-3)


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


# ---------------------------------------------------------------- what is missing


def test_imputed_normals_have_the_mean_and_variance_of_the_conditional():
    X = correlated(3000)[:, :2]
    density = FlowDensity(
        prior="normal", max_epochs=5, random_state=0, missing="marginalize", n_transforms=1
    ).fit(with_holes(X))
    rows = np.column_stack([np.linspace(-3, 5, 9), np.full(9, np.nan)])
    draws = density.impute(rows, n_draws=400, random_state=0)
    assert draws.shape == (400, 9, 2)
    # Of the distribution that the rows come from.
    expected = -2.0 + 1.8 / 4.0 * (rows[:, 0] - 1.0)
    np.testing.assert_allclose(draws[:, :, 1].mean(0), expected, atol=0.15)
    np.testing.assert_allclose(draws[:, 2:7, 1].var(0), 1 - 1.8**2 / 4.0, atol=0.06)


def test_imputed_moons_lie_on_the_moons(fitted):
    X = moons(300, seed=7)
    rows = X.copy()
    rows[:150, 0] = np.nan
    rows[150:, 1] = np.nan
    filled = fitted.impute(rows, random_state=0)
    mean = np.where(np.isnan(rows), X.mean(0), X)
    assert fitted.score(filled) > fitted.score(X) - 0.2
    assert fitted.score(mean) < fitted.score(X) - 0.8
    # Proposals that know nothing of the moons are weighted by the density, which does.
    naive = copy.copy(fitted)
    wide = {"weights": np.ones(1), "means": np.zeros((1, 2)), "precisions": 0.5 * np.eye(2)[None]}
    naive._completion = fitted._completion | wide
    assert fitted.score(naive.impute(rows, random_state=0)) > fitted.score(X) - 0.25


@every_density
def test_imputing_leaves_what_is_known_and_repeats_with_its_seed(build, holes):
    density = build().fit(holes)
    known = ~np.isnan(holes)
    filled = density.impute(holes, random_state=3)
    assert filled.shape == holes.shape
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[known], holes[known])
    np.testing.assert_array_equal(density.impute(holes, random_state=3), filled)
    assert (density.impute(holes, random_state=4)[~known] != filled[~known]).any()
    complete = moons(5)
    np.testing.assert_array_equal(density.impute(complete), complete)


def test_empty_rows_are_filled_with_samples(fitted):
    drawn = fitted.impute(np.full((500, 2), np.nan), random_state=0)
    own = fitted.sample(500, random_state=1)
    for j in range(2):
        assert stats.ks_2samp(drawn[:, j], own[:, j]).pvalue > 1e-3


def test_columns_of_repeated_values_are_filled_with_values_that_they_have():
    X = load_iris().data
    density = DENSITIES["flow"]().fit(with_holes(X))
    assert (density.dequantization_ > 0).all()
    filled = density.impute(with_holes(X, seed=9), n_draws=3, random_state=0)
    for j in range(4):
        assert np.isin(filled[..., j], X[:, j]).all()


def test_latents_of_incomplete_rows_are_nan(fitted, holes):
    Z = fitted.transform(holes)
    whole = ~np.isnan(holes).any(1)
    assert (np.isnan(Z).all(1) == ~whole).all()
    np.testing.assert_array_equal(Z[whole], fitted.transform(holes[whole]))


@pytest.mark.parametrize(
    "density",
    [DENSITIES["fractal"](), DENSITIES["rg"](top_prior="topic", n_topics=2, prior="normal")],
    ids=["fractal", "rg"],
)
def test_topics_of_incomplete_rows_are_expected_over_what_is_missing(density):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 3)), rng.normal(size=(200, 3)) + 8])
    density.fit(with_holes(X))
    rows = with_holes(X[::8], 0.4, seed=2)
    rows = rows[~np.isnan(rows).all(1)]
    got = density.predict_proba(rows)
    np.testing.assert_allclose(got.sum(1), 1.0)
    filled = density.impute(rows, n_draws=100, random_state=0)
    drawn = density.predict_proba(filled.reshape(-1, 3)).reshape(100, len(rows), -1).mean(0)
    np.testing.assert_allclose(got, drawn, atol=0.15)
    whole = ~np.isnan(rows).any(1)
    np.testing.assert_allclose(got[whole], density.predict_proba(rows[whole]))
    assert density.predict(rows).shape == (len(rows),)


# ---------------------------------------------------------------- training


def test_training_on_incomplete_rows_beats_means_in_the_holes():
    X = moons(1000)
    holes, test = with_holes(X[:600]), X[600:]
    options = {"n_transforms": 2, "hidden_units": 32, "max_epochs": 20, "random_state": 0}
    score = FlowDensity(missing="marginalize", **options).fit(holes).score(test)
    means = np.where(np.isnan(holes), np.nanmean(holes, 0), holes)
    assert score > FlowDensity(**options).fit(means).score(test) + 0.5
    assert score > FlowDensity(**options).fit(X[:600]).score(test) - 0.25


def test_columns_are_described_by_what_is_known():
    X = correlated()
    X[:, 2] = np.round(X[:, 2])
    holes = with_holes(X)
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    density = DENSITIES["flow"]().fit(holes, sample_weight=weight)
    for j in range(2):
        known = ~np.isnan(holes[:, j])
        mean = np.average(holes[known, j], weights=weight[known])
        assert density.location_[j] == pytest.approx(mean)
    np.testing.assert_array_equal(density.dequantization_, [0, 0, 1])


def in_rounds(**kw):
    return DENSITIES["flow"](
        **{"max_epochs": 40, "n_iter_no_change": 4, "learning_rate": 0.01, **kw}
    )


def test_rounds_share_the_epochs(holes):
    density = in_rounds().fit(holes)
    assert 0 < density.best_epoch_ <= density.n_iter_ <= 40
    history = density.history_
    np.testing.assert_array_equal(history["epoch"], np.arange(density.n_iter_ + 1))
    assert {len(column) for column in history.values()} == {density.n_iter_ + 1}
    # Each round has a schedule of its own.
    rises = np.flatnonzero(np.diff(history["learning_rate"][1:]) > 1e-3)
    assert rises.size
    alone = DENSITIES["flow"](max_epochs=25, early_stopping=False).fit(holes)
    assert alone.n_iter_ == alone.best_epoch_ == 25


def test_later_rounds_and_warm_starts_draw_from_the_density(holes, monkeypatch):
    sources, completions = [], FlowDensity._completions

    def noting(self, Z, n_draws, rng, by_density, *args):
        sources.append(by_density)
        return completions(self, Z, n_draws, rng, by_density, *args)

    monkeypatch.setattr(FlowDensity, "_completions", noting)
    density = in_rounds(warm_start=True).fit(holes)
    # The start, then rows and hold-out of the first round.
    assert sources[:3] == [False] * 3
    assert len(sources) > 3
    assert all(sources[3:])
    sources.clear()
    density.fit(holes)
    assert sources
    assert all(sources)


def test_a_round_that_does_not_pay_is_undone(holes, monkeypatch):
    first = in_rounds().fit(holes)
    modules = []

    def falling(self, X, n_draws):
        modules.append(self.module_)
        return np.full(len(X), -float(len(modules))), np.zeros(len(X))

    monkeypatch.setattr(FlowDensity, "_marginal", falling)
    density = in_rounds().fit(holes)
    assert len(modules) == 2
    assert density.module_ is modules[0]
    assert density.best_epoch_ + 4 <= density.n_iter_ <= 40
    np.testing.assert_array_equal(
        density.history_["train_log_density"][1:9], first.history_["train_log_density"][1:9]
    )


def test_complete_rows_are_trained_on_as_ever():
    X = moons(200)
    with_parameter = DENSITIES["flow"]().fit(X)
    without = DENSITIES["flow"](missing=None).fit(X)
    assert with_parameter.score(X) == pytest.approx(without.score(X), abs=0.3)
    row = [[np.nan, 0.2]]
    assert np.isfinite(with_parameter.score_samples(row)).all()


@every_density
def test_fits_with_one_seed_are_alike_and_survive_pickling(build, holes):
    density, again = build(max_epochs=20).fit(holes), clone(build(max_epochs=20)).fit(holes)
    scores = density.score_samples(holes)
    np.testing.assert_array_equal(again.score_samples(holes), scores)
    loaded = pickle.loads(pickle.dumps(density))
    np.testing.assert_array_equal(loaded.score_samples(holes), scores)
    np.testing.assert_array_equal(
        loaded.impute(holes, random_state=0), density.impute(holes, random_state=0)
    )


def test_rows_of_weight_zero_and_rows_without_values_are_left_out(holes):
    empty = np.full((3, 2), np.nan)
    weight = np.r_[np.ones(len(holes)), np.zeros(5), np.ones(3)]
    more = np.concatenate([holes, moons(5) + 100, empty])
    expected = DENSITIES["flow"]().fit(holes[~np.isnan(holes).all(1)])
    got = DENSITIES["flow"]().fit(more, sample_weight=weight)
    np.testing.assert_array_equal(got.score_samples(moons(9)), expected.score_samples(moons(9)))


def test_weights_pull_the_density_towards_heavy_rows():
    X = np.concatenate([correlated(300), correlated(300) + 20])
    weight = np.repeat([1.0, 9.0], 300)
    density = DENSITIES["flow"](max_epochs=10).fit(with_holes(X), sample_weight=weight)
    share = (density.sample(2000, random_state=0)[:, 0] > 10).mean()
    assert share == pytest.approx(0.9, abs=0.05)


def test_warm_start_goes_on(holes):
    density = DENSITIES["flow"](warm_start=True, max_epochs=10).fit(holes)
    first, scale = density.history_["valid_log_density"][-1], density.scale_
    density.fit(with_holes(moons(), seed=8))
    assert density.history_["valid_log_density"][0] == pytest.approx(first, abs=0.4)
    assert density.scale_ is scale
    density.set_params(missing=None)
    with pytest.raises(ChangedParameterError, match="missing was 'marginalize'"):
        density.fit(moons())


class Clock:
    """Time that passes only when it is asked for."""

    now = 0.0

    def monotonic(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize("max_time", [20.0, 40.0, 60.0])
def test_rounds_of_training_end_in_time_together(max_time, holes, monkeypatch):
    clock = Clock()
    for module in (_streams, training_callbacks):
        monkeypatch.setattr(module, "time", clock)
    options = {"max_epochs": 9999, "n_iter_no_change": 1, "batch_size": 90}
    density = DENSITIES["flow"](**options, max_time=max_time).fit(holes)
    # Asked a few times more where it has run out.
    assert clock.now < max_time + 6
    assert {len(column) for column in density.history_.values()} == {density.n_iter_ + 1}
    # Completing rows takes time too, but one step is always made.
    assert DENSITIES["flow"](**options, max_time=1e-6).fit(holes).n_iter_ == 1


class InRound(Callback):
    """Presses Ctrl-C in the second round, in a batch of some epoch."""

    def __init__(self, epoch):
        self.epoch, self.round, self.first = epoch, 0, 0

    def __deepcopy__(self, memo):
        return self

    def on_train_begin(self, net, **kwargs):
        self.round += 1

    def on_epoch_begin(self, net, **kwargs):
        self.first += self.round == 1

    def on_batch_begin(self, net, **kwargs):
        if self.round == 2 and len(net.history) == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [1, 2])
def test_ctrl_c_in_a_later_round_keeps_the_earlier_ones(epoch, holes):
    callback = InRound(epoch)
    density = DENSITIES["flow"](max_epochs=60, n_iter_no_change=3, callbacks=[callback])
    with pytest.warns(InterruptedFitWarning):
        density.fit(holes)
    assert callback.round == 2
    assert density.n_iter_ == callback.first + epoch - 1
    assert {len(column) for column in density.history_.values()} == {density.n_iter_ + 1}
    assert np.isfinite(density.score_samples(holes)).all()


@pytest.mark.parametrize("name", ["flow", "fractal"])
def test_partial_fit_takes_incomplete_chunks(name):
    X = moons(2000)
    density = DENSITIES[name](max_epochs=1)
    for chunk in np.array_split(with_holes(X), 10):
        density.partial_fit(chunk)
    one_sided = X[:50].copy()
    one_sided[:, 1] = np.nan
    density.partial_fit(one_sided)
    assert density.n_iter_ == 11
    assert (
        density.score(moons(500, seed=9))
        > stats.multivariate_normal(X.mean(0), np.cov(X.T)).logpdf(moons(500, seed=9)).mean() + 0.2
    )


def test_training_noise_widens_the_density_of_incomplete_rows(holes):
    plain = DENSITIES["flow"](max_epochs=10).fit(holes)
    noisy = DENSITIES["flow"](max_epochs=10, noise=0.5).fit(holes)
    spread = noisy.sample(4000, random_state=0).std(0) / plain.sample(4000, random_state=0).std(0)
    assert (spread > 1.05).all()


def test_missing_values_of_data_frames_count():
    frame = pd.DataFrame(moons(), columns=["a", "b"]).convert_dtypes()
    frame.loc[frame.index % 3 == 0, "a"] = pd.NA
    density = DENSITIES["flow"]().fit(frame)
    array = frame.to_numpy(dtype=float, na_value=np.nan)
    with pytest.warns(UserWarning, match="feature names"):
        expected = density.score_samples(array)
    np.testing.assert_array_equal(density.score_samples(frame), expected)
    assert np.isfinite(density.impute(frame, random_state=0)).all()


# ---------------------------------------------------------------- refusals


def test_the_default_refuses_missing_values(holes):
    with pytest.raises(InvalidDataError, match="NaN"):
        FlowDensity().fit(holes)
    density = DENSITIES["flow"](missing=None).fit(moons())
    for method in (density.score_samples, density.score, density.transform, density.fit):
        with pytest.raises(InvalidDataError, match="NaN"):
            method(holes)
    for method in (density.score_marginal, density.impute):
        with pytest.raises(InvalidDataError, match="infinity"):
            method(np.full((1, 2), np.inf))


def test_columns_without_values_and_infinities_are_named(holes):
    frame = pd.DataFrame({"age": holes[:, 0], "height": np.nan, "weight": holes[:, 1]})
    with pytest.raises(InvalidDataError, match=r"column\(s\) height hold no value"):
        DENSITIES["flow"]().fit(frame)
    frame["height"] = np.inf
    with pytest.raises(InvalidDataError, match=r"infinity in column\(s\) height"):
        DENSITIES["flow"]().fit(frame)
    with pytest.raises(InvalidDataError, match="only 1 row"):
        DENSITIES["flow"]().fit([[1.0, 2.0], [np.nan, np.nan], [np.nan, np.nan]])


def test_a_column_of_one_known_value_is_constant(holes):
    X = np.column_stack([holes, np.full(len(holes), np.nan)])
    X[5] = [50.0, 0.0, 7.0]
    with pytest.warns(ConstantColumnWarning, match=r"column\(s\) 2 hold"):
        density = DENSITIES["flow"]().fit(X)
    filled = density.impute(X, random_state=0)
    assert (filled[:, 2] == 7.0).all()


@pytest.mark.parametrize("kind", [FractalFlowDensity, RGFlowDensity])
def test_images_are_refused_with_the_reason(kind):
    images = np.random.default_rng(0).uniform(size=(50, 4, 4))
    with pytest.raises(InvalidParameterError, match="inpaint"):
        kind(image_shape=(4, 4), missing="marginalize", max_epochs=1).fit(images)


def test_counts_must_be_known():
    counts = np.random.default_rng(0).poisson(3.0, size=(80, 4)).astype(float)
    density = FractalFlowDensity(2, documents="counts", missing="marginalize", max_epochs=1)
    with pytest.raises(InvalidParameterError, match="counts are all known"):
        density.fit(with_holes(counts))


def test_other_methods_refuse_incomplete_rows(holes):
    density = DENSITIES["fractal"](max_epochs=1).fit(holes)
    for method in (density.log_det_tree, lambda X: density.interpolate(X, X)):
        with pytest.raises(InvalidDataError, match="NaN"):
            method(holes)


def test_a_failed_fit_leaves_the_estimator_as_it_was(fitted, holes):
    density = pickle.loads(pickle.dumps(fitted))
    before = dict(vars(density))
    wrong = holes.copy()
    wrong[:, 1] = np.nan
    with pytest.raises(InvalidDataError):
        density.fit(wrong)
    assert vars(density).keys() == before.keys()
    assert all(vars(density)[name] is value for name, value in before.items())


@pytest.mark.parametrize("n", [1, 0, 2.5, None])
def test_impossible_numbers_of_draws(fitted, n):
    with pytest.raises(InvalidDataError, match="n_draws"):
        fitted.score_marginal(moons(3), n_draws=n)
    if n in (0, 2.5):
        with pytest.raises(InvalidDataError, match="n_draws"):
            fitted.impute(moons(3), n_draws=n)


def test_tags_tell_whether_missing_values_are_taken():
    assert DENSITIES["flow"]().__sklearn_tags__().input_tags.allow_nan is True
    assert FlowDensity().__sklearn_tags__().input_tags.allow_nan is False
    assert PHVAE().__sklearn_tags__().input_tags.allow_nan is False


@parametrize_with_checks(
    [DENSITIES["flow"](max_epochs=2)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
    xfail_strict=True,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [DENSITIES[name](max_epochs=2) for name in ("fractal", "rg")],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
    xfail_strict=True,
)
def test_scikit_learn_checks_of_other_densities(estimator, check):
    check(estimator)

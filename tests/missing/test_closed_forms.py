"""Marginal scores against integrals where they have a closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from flowkit import FlowDensity
from flowkit import bijections as b
from flowkit import priors as p
from flowkit.missing import _completion, _conditionals
from flowkit.missing._conditionals import Mixture

from .examples import SMALL, correlated, integrated, with_holes


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
    slope, latent = (slope / density.scale_)[known], shift + slope * density._columns.standardise(X)
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
    monkeypatch.setattr(_completion, "closed_form", lambda *args: None)
    estimate, error = density.score_marginal(rows)
    drawn = np.isnan(rows).any(1) & ~np.isnan(rows).all(1)
    assert (error[drawn] > 0).all()
    assert (error[~drawn] == 0).all()
    assert (np.abs(estimate - exact) <= 3 * error + 1e-12).all()
    assert np.median(error) < 0.1
    many, few = (density.score_marginal(rows, n_draws=n)[1] for n in (256, 32))
    assert np.median(many[drawn]) < 0.6 * np.median(few[drawn])


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
    weights = prior.logits.softmax(0).detach().numpy()
    density._completion.mixture = Mixture(weights, means, factor @ factor.swapaxes(1, 2))
    monkeypatch.setattr(_completion, "closed_form", lambda *args: None)
    estimate, error = density.score_marginal(rows, n_draws=8)
    np.testing.assert_allclose(estimate, exact, atol=1e-8)
    assert error.max() < 1e-8


def test_couplings_have_no_closed_form(fitted, holes):
    Z = fitted._columns.standardise(holes)
    assert _conditionals.closed_form(fitted.module_, Z, torch.device("cpu")) is None


@every_closed_form
def test_closed_forms_after_complete_rows_need_no_draws(build, monkeypatch):
    density = build(missing=None).fit(correlated())
    rows = correlated()[:5]
    rows[[0, 1, 2, 3, 4], [0, 1, 2, 0, 0]] = np.nan
    monkeypatch.setattr(_completion, "proposals", None)
    scores, error = density.score_marginal(rows)
    assert (error == 0).all()
    np.testing.assert_allclose(scores, [integrated(density, row) for row in rows], atol=5e-3)

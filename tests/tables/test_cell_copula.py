"""Points within cells lie where a copula expects training rows, and weights make up for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr, ndtri
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity
from flowkit.tables import _cell_copula
from flowkit.tables._cell_copula import CellCopula
from flowkit.tables._cell_rules import from_middles, gauss_rule, sobol_rule, toward_middles

from .examples import table

CORRELATIONS = np.array([[1, 0.7, 0.5], [0.7, 1, 0.6], [0.5, 0.6, 1]])
CUTS = [-0.5, 0.8]


@pytest.fixture
def cut(rng):
    """A real column, one of two levels and one of three."""
    latent = rng.multivariate_normal(np.zeros(3), CORRELATIONS, size=2000)
    return np.column_stack([latent[:, 0], latent[:, 1] > 0, np.digitize(latent[:, 2], CUTS)])


@pytest.fixture
def copula(cut):
    return CellCopula.of_rows(cut, np.ones(len(cut)), CORRELATIONS)


@pytest.mark.parametrize("columns", [[1], [2], [1, 2]], ids=str)
def test_weights_make_up_for_where_points_are(copula, cut, columns):
    u = sobol_rule(2**12, 2).places
    ranks, log_weights = copula.places(cut[:20], np.array(columns), u)
    weights = np.exp(log_weights)
    assert ((ranks >= 0) & (ranks <= 1)).all()
    assert_allclose(weights.mean(1), 1, atol=0.03)
    for k in range(len(columns)):
        assert_allclose((weights * ranks[..., k] ** 2).mean(1), 1 / 3, atol=0.03)


def test_points_of_one_column_have_the_density_that_the_copula_gives(copula, cut, monkeypatch):
    monkeypatch.setattr(_cell_copula, "_WIDER", 1.0)
    rows = cut[:20].copy()
    rows[:, 2] = np.nan
    ranks, log_weights = copula.places(rows, np.array([1]), np.linspace(0.02, 0.98, 25)[:, None])
    below = (cut[:, 1] < rows[:, 1:2]).mean(1)[:, None]
    share = (cut[:, 1] == rows[:, 1:2]).mean(1)[:, None]
    normal = ndtri(below + share * ranks[..., 0])
    given = norm(0.7 * ndtri((cut[:, 0] < rows[:, :1]).mean(1))[:, None], np.sqrt(1 - 0.7**2))
    ends = given.cdf(ndtri(below + share)) - given.cdf(ndtri(below))
    density = given.pdf(normal) / norm.pdf(normal) * share / ends
    # Quantiles of the real column are interpolated.
    assert_allclose(-log_weights, np.log(density), atol=0.1)


def test_points_follow_the_rest_of_the_row(copula):
    low, high = (
        copula.places(np.array([[x, 1, np.nan]]), np.array([1]), np.full((1, 1), 0.5))[0].item()
        for x in (-1.5, 1.5)
    )
    assert low < 0.25
    assert high > 0.5


HARD = {
    "far off": [1e9, 1, 2],
    "unlikely together": [-4, 1, 2],
    "a level never seen": [0, 1, 7],
    "all else missing": [np.nan, 1, 2],
}


@pytest.mark.parametrize("row", HARD.values(), ids=HARD)
@pytest.mark.parametrize("correlation", [0.0, 0.7, 0.9999])
def test_hard_rows_have_points(cut, row, correlation):
    correlations = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    copula = CellCopula.of_rows(cut, np.ones(len(cut)), correlations)
    ranks, log_weights = copula.places(
        np.array([row], dtype=float), np.array([1, 2]), sobol_rule(64, 2).places
    )
    assert np.isfinite(log_weights).all()
    assert ((ranks >= 0) & (ranks <= 1)).all()


@pytest.mark.parametrize("n_values", [200, 5000])
def test_shares_of_values_are_those_of_the_rows(n_values, rng):
    x = np.append(rng.integers(0, n_values, 4000), np.full(1000, 7.0))
    weight = rng.uniform(size=len(x))
    copula = CellCopula.of_rows(x[:, None], weight, np.eye(1))
    below, up_to = copula._ends(np.array([7.0]), 0)
    assert_allclose(below, weight[x < 7].sum() / weight.sum())
    assert_allclose(up_to, weight[x <= 7].sum() / weight.sum())
    # Others are interpolated where they are many.
    points = np.quantile(x, [0.3, 0.6, 0.9])
    found = ndtr(copula._scores(points, 0))
    assert_allclose(found, [weight[x < point].sum() / weight.sum() for point in points], atol=0.02)
    assert len(copula.values[0]) <= 256


def test_shares_of_a_gauss_rule_lead_back_to_its_points():
    x = gauss_rule(16).places
    shares, log_weights = from_middles(x)
    places, back = toward_middles(shares, alone=True)
    assert_allclose(places, x, atol=1e-12)
    assert_allclose(log_weights + back, 0, atol=1e-9)


def test_scores_without_a_copula_are_the_same_within_their_error(rng):
    x = rng.normal(size=(300, 2))
    X = pd.DataFrame({"x": x[:, 0], "a": x @ [1, 1] > 0, "b": x @ [1, -1] > 0.5})
    fitted = table(GaussianMixture(3, random_state=0)).fit(X)
    scores, error = fitted.score_samples(X, return_std=True)
    # As files of older versions are.
    del fitted._copula
    without, of_these = fitted.score_samples(X, return_std=True)
    assert np.mean(np.abs(scores - without) <= 2 * (error + of_these)) > 0.95
    assert error.mean() < of_these.mean()


def test_chunks_of_few_rows_keep_the_copula(rng):
    X = pd.DataFrame({"x": rng.normal(size=200)}).assign(level=lambda table: table["x"] > 0)
    flow = FlowDensity(n_transforms=1, hidden_units=4, max_epochs=1, random_state=0)
    streamed = table(flow)
    streamed.partial_fit(X)
    learned = streamed._copula
    assert streamed.partial_fit(X[:20])._copula is learned
    assert streamed.partial_fit(X)._copula is not learned
    assert streamed.fit(X[["x"]].assign(y=X["x"] ** 2))._copula is None

"""Densities after transformers integrate to one, and are zero outside their domain."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from flowkit import DifferentiableFunctionTransformer, FlowDensity, TransformedDensity
from flowkit.exceptions import FlowkitWarning

from .examples import (
    ROWS,
    SIGNED,
    HalvedWithJacobian,
    Swirl,
    cube_and_line,
    logs,
    slope_of_cube_and_line,
)


@pytest.mark.parametrize(
    ("transformer", "low", "high"),
    [
        (StandardScaler(), -15, 25),
        (MinMaxScaler((-1, 3)), -15, 25),
        (MaxAbsScaler(), -15, 25),
        (RobustScaler(), -15, 25),
        (RobustScaler(unit_variance=True), -15, 25),
        (HalvedWithJacobian(), -15, 25),
        (PowerTransformer(), -15, 25),
        (logs(np.arcsinh, np.sinh), -200, 200),
        (PCA(whiten=True), -15, 25),
        (DifferentiableFunctionTransformer(cube_and_line, None, slope_of_cube_and_line), -15, 25),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("density", [KernelDensity(bandwidth=0.3), GaussianMixture(2)], ids=str)
def test_integrates_to_one_on_a_line(transformer, low, high, density):
    X = np.random.default_rng(0).gumbel(size=(200, 1))
    grid = np.linspace(low, high, 20001)[:, None]
    scores = TransformedDensity(transformer, density).fit(X).score_samples(grid)
    assert trapezoid(np.exp(scores), grid.ravel()) == pytest.approx(1.0, abs=2e-4)


def test_box_cox_integrates_to_one_over_its_domain():
    X = np.random.default_rng(0).lognormal(size=(300, 1))
    density = TransformedDensity(PowerTransformer("box-cox"), GaussianMixture()).fit(X)
    logarithms = np.linspace(-15, 15, 20001)
    values = np.exp(density.score_samples(np.exp(logarithms)[:, None]) + logarithms)
    assert trapezoid(values, logarithms) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    "transformer",
    [
        make_pipeline(PowerTransformer(), PCA(whiten=True)),
        ColumnTransformer([("b", PowerTransformer(), [1])], remainder=MinMaxScaler((0, 9))),
        make_pipeline(StandardScaler(), Swirl()),
    ],
    ids=["pipeline", "columns", "own_method"],
)
def test_integrates_to_one_on_a_plane(transformer):
    density = TransformedDensity(transformer, GaussianMixture(2, random_state=0)).fit(SIGNED)
    first, second = np.linspace(-9, 9, 401), np.linspace(-20, 20, 401)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1)
    values = np.exp(density.score_samples(grid.reshape(-1, 2))).reshape(401, 401)
    assert trapezoid(trapezoid(values, second), first) == pytest.approx(1.0, abs=2e-3)


def test_the_flow_integrates_to_one():
    X = np.random.default_rng(0).lognormal(size=(200, 1))
    density = TransformedDensity(logs(), FlowDensity(max_epochs=2, random_state=0)).fit(X)
    logarithms = np.linspace(-12, 12, 4001)
    values = np.exp(density.score_samples(np.exp(logarithms)[:, None]) + logarithms)
    assert trapezoid(values, logarithms) == pytest.approx(1.0, abs=1e-3)


def test_mass_beyond_the_range_is_told_and_only_lowers_the_score():
    """A wide kernel after a transform that ends: the integral is the mass that is left."""
    X = np.random.default_rng(0).lognormal(sigma=0.3, size=(300, 1))
    transformer = logs(np.exp, np.log)
    with pytest.warns(FlowkitWarning, match="beyond the range of the transformer"):
        density = TransformedDensity(transformer, KernelDensity(bandwidth=2.0)).fit(X)
    grid = np.linspace(-40, 5, 40001)
    integral = trapezoid(np.exp(density.score_samples(grid[:, None])), grid)
    reached = stats.norm.sf(0, np.exp(X), 2.0).mean()
    assert integral == pytest.approx(reached, abs=1e-3)
    assert reached < 0.98


def test_no_warning_where_the_range_is_not_left():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for transformer in (StandardScaler(), PowerTransformer(), logs()):
            TransformedDensity(transformer, GaussianMixture()).fit(ROWS)


def test_outside_the_domain_the_density_is_zero():
    X = ROWS.copy()
    X[[3, 7], [0, 1]] = [-1.0, 0.0]
    for transformer in (
        PowerTransformer("box-cox"),
        logs(),
        make_pipeline(logs(), StandardScaler(), PCA()),
        ColumnTransformer([("b", PowerTransformer("box-cox"), [1]), ("a", logs(), [0])]),
    ):
        density = TransformedDensity(transformer, GaussianMixture()).fit(ROWS)
        scores = density.score_samples(X)
        np.testing.assert_array_equal(np.flatnonzero(np.isneginf(scores)), [3, 7])
        inside = np.isfinite(scores)
        np.testing.assert_allclose(scores[inside], density.score_samples(ROWS)[inside])
        assert np.isneginf(density.score_samples(-ROWS)).all()
        assert np.isneginf(density.score(X))

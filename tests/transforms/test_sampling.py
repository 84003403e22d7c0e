"""Samples of densities after transformers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler

from flowkit import FlowDensity, TransformedDensity
from flowkit.exceptions import FlowkitWarning, InvalidDataError, InvalidParameterError

from .examples import CASES, ROWS, SIGNED, Laplacian, logs


@pytest.mark.parametrize("density", [KernelDensity(bandwidth=0.2), GaussianMixture(2)], ids=str)
@pytest.mark.parametrize("name", ["box_cox", "columns_reordered", "pipeline", "log"])
def test_samples_come_from_the_density(name, density):
    transformer, X = CASES[name]
    density = TransformedDensity(transformer, density).fit(X)
    rows = density.sample(2000, random_state=0)
    assert rows.shape == (2000, 2)
    assert np.isfinite(density.score_samples(rows)).all()
    np.testing.assert_array_equal(rows, density.sample(2000, random_state=0))
    assert not np.array_equal(rows, density.sample(2000, random_state=1))
    # Half of the rows of a density lie above the median of its own log density.
    fresh = density.sample(2000, random_state=2)
    median = np.median(density.score_samples(fresh))
    assert (density.score_samples(rows) > median).mean() == pytest.approx(0.5, abs=0.05)


def test_samples_have_the_distribution_of_the_scores():
    X = np.random.default_rng(0).gamma(2.0, size=(400, 1))
    density = TransformedDensity(PowerTransformer("box-cox"), GaussianMixture()).fit(X)
    grid = np.linspace(1e-4, 40, 40001)
    cumulative = np.cumsum(np.exp(density.score_samples(grid[:, None]))) * (grid[1] - grid[0])
    rows = density.sample(4000, random_state=0).ravel()
    uniform = np.interp(rows, grid, cumulative / cumulative[-1])
    assert stats.kstest(uniform, "uniform").pvalue > 0.01


def test_draws_beyond_the_range_are_drawn_again():
    X = np.random.default_rng(0).lognormal(sigma=0.3, size=(300, 1))
    with pytest.warns(FlowkitWarning, match="nats too low"):
        density = TransformedDensity(logs(np.exp, np.log), KernelDensity(bandwidth=2.0)).fit(X)
    rows = density.sample(1000, random_state=0)
    assert rows.shape == (1000, 1)
    assert np.isfinite(rows).all()


def test_samples_of_the_flow_and_of_the_mixture_leave_global_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    for density in (FlowDensity(max_epochs=1, random_state=0), GaussianMixture(random_state=0)):
        density = TransformedDensity(PowerTransformer(), density).fit(SIGNED)
        fitted_state = density.density_.get_params()
        rows = density.sample(5, random_state=0)
        np.testing.assert_array_equal(rows, density.sample(5, random_state=0))
        assert density.density_.get_params() == fitted_state
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_what_cannot_be_sampled_says_so():
    density = TransformedDensity(StandardScaler(), Laplacian())
    assert not hasattr(density, "sample")
    density = TransformedDensity(FunctionTransformer(np.log), KernelDensity()).fit(ROWS)
    with pytest.raises(InvalidParameterError, match="no inverse_func"):
        density.sample()
    with pytest.raises(InvalidDataError, match="n_samples"):
        density.sample(0)
    assert density.score_samples(ROWS).shape == (60,)

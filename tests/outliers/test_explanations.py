"""Effects of columns: exact where they are known, and to blame when damaged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import DensityOutlierDetector, FlowDensity
from flowkit.outliers import _conditional_effects

from .examples import KERNEL, Known, mixed_table, rows


def normal(correlation, d):
    covariance = (1 - correlation) * np.eye(d) + correlation
    scale = 3.0 ** np.arange(d)
    return stats.multivariate_normal(5 * scale, covariance * scale * scale[:, None], seed=0)


def conditional_z(X, distribution):
    """Distance of each value from its conditional mean, in conditional deviations."""
    precision = np.linalg.inv(distribution.cov_object.covariance)
    return (X - distribution.mean) @ precision / np.sqrt(np.diag(precision))


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

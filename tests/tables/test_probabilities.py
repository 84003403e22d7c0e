"""Mixed tables: every kind of column keeps the density one, and scores in the user's units."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import trapezoid
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity

from .examples import DECLARED, INNER, objects, table

inner = pytest.mark.parametrize("density", INNER.values(), ids=INNER)


def integral(density, x):
    """Of a density of one column, over a grid."""
    return trapezoid(np.exp(density.score_samples(x[:, None])), x)


@inner
def test_a_real_column_integrates_to_one(density, rng):
    X = rng.normal(3.0, 2.0, size=(300, 1))
    assert_allclose(integral(table(density).fit(X), np.linspace(-20, 26, 1001)), 1, atol=1e-3)


@inner
@pytest.mark.parametrize("bounds", [(2, None), (None, 2), (2, 5)], ids=str)
def test_a_bounded_column_integrates_to_one_within_its_bounds(density, bounds, rng):
    draws = rng.beta(0.8, 2, size=(300, 1))
    low, high = bounds
    X = 2 + 3 * draws if low is not None else 2 - 3 * draws
    fitted = table(density, bounds={0: bounds}).fit(X)
    # Even steps of the encoded column resolve the density next to the bounds.
    y = np.linspace(-16, 16, 5001)
    x = {(2, None): 2 + np.exp(y), (None, 2): 2 - np.exp(-y)}.get(bounds, 2 + 3 / (1 + np.exp(-y)))
    assert_allclose(integral(fitted, x), 1, atol=2e-3)
    outside = [[value] for value in (low and low - 1e-9, high and high + 1e-9) if value]
    assert_array_equal(fitted.score_samples(outside), -np.inf)


def test_a_bounded_column_has_the_density_of_the_change_of_variables(rng):
    X = rng.lognormal(size=(500, 1))
    fitted = table(GaussianMixture(1), bounds={0: (0, None)}).fit(X)
    log = norm(np.log(X).mean(), np.sqrt(np.log(X).var() + 1e-6))
    assert_allclose(fitted.score_samples(X), (log.logpdf(np.log(X)) - np.log(X))[:, 0], atol=1e-9)


@inner
def test_a_circular_column_integrates_to_one_and_does_not_jump(density, rng):
    X = rng.uniform(-3, 3, size=(300, 1))
    fitted = table(density, periods={0: (-3, 6)}).fit(X)
    assert_allclose(integral(fitted, np.linspace(-3, 3, 5001)), 1, atol=1e-4)
    cut = fitted._codecs[0].cut
    left, right = fitted.score_samples([[cut - 1e-7], [cut + 1e-7]])
    assert_allclose(left, right, atol=1e-5)
    # Without the turns it would jump, so the test can fail.
    g = fitted.density_.score_samples([[cut], [cut + 6]])
    assert abs(g[0] - g[1]) > 1e-3


def test_an_angle_is_the_same_after_whole_turns(rng):
    X = rng.normal(0, 0.5, size=(200, 1))
    fitted = table(periods={0: (0, 2 * np.pi)}).fit(X)
    assert_allclose(
        fitted.score_samples(X), fitted.score_samples(X + 2 * np.pi * 7), rtol=0, atol=1e-9
    )
    assert np.pi / 2 < fitted._codecs[0].cut < 3 * np.pi / 2


def test_an_angle_beside_a_level_is_the_same_after_whole_turns(rng):
    hour = rng.normal(24, 3, size=300) % 24
    day = pd.DataFrame({"hour": hour, "late": np.where(np.abs(hour - 12) > 10, "yes", "no")})
    fitted = table(periods={"hour": 24}).fit(day)
    assert_allclose(
        fitted.score_samples(day), fitted.score_samples(day.assign(hour=hour + 48)), atol=1e-9
    )


@inner
def test_categories_sum_and_reals_integrate_to_one(density, rng):
    level = rng.choice(["a", "b", "c"], p=[0.6, 0.3, 0.1], size=300)
    fitted = table(density).fit(objects(level, rng.normal(level == "b", 0.5)))
    x = np.linspace(-6, 7, 201)
    mass = [
        trapezoid(np.exp(fitted.score_samples(objects(np.full(x.shape, k), x))), x) for k in "abc"
    ]
    assert_allclose(sum(mass), 1, atol=2e-3)
    assert_allclose(mass, [0.6, 0.3, 0.1], atol=0.1)


def test_the_sum_over_levels_is_the_density_of_the_other_columns(rng):
    level = rng.choice(list("abcd"), size=400)
    x = rng.normal((level == "a") * 2, 1)
    fitted = table(GaussianMixture(2, random_state=0), n_draws=1024).fit(objects(level, x))
    grid = np.linspace(-3, 4, 41)
    scores = [fitted.score_samples(objects(np.full(grid.shape, k), grid)) for k in "abcd"]
    mixture = fitted.density_
    components = norm(mixture.means_[:, 1], np.sqrt(mixture.covariances_[:, 1, 1]))
    expected = np.log(mixture.weights_ @ components.pdf(grid[:, None]).T)
    assert_allclose(logsumexp(scores, axis=0), expected, atol=2e-3)


def test_probability_of_integers_is_that_of_their_cells(rng):
    X = np.round(rng.multivariate_normal([3, 0], [[4, 1.5], [1.5, 1]], size=2000))
    fitted = table(GaussianMixture(1), cells="probability", n_draws=256).fit(X)
    fine = multivariate_normal(fitted.density_.means_[0], fitted.density_.covariances_[0])
    rows = np.array([[3, 0], [5, 1], [1, 2], [9, 3]])
    expected = [fine.cdf(row + 0.5, lower_limit=row - 0.5) for row in rows]
    assert_allclose(np.exp(fitted.score_samples(rows)), expected, rtol=0.01)
    every = np.stack(np.meshgrid(np.arange(-12, 19), np.arange(-8, 9)), -1).reshape(-1, 2)
    assert_allclose(np.exp(fitted.score_samples(every)).sum(), 1, atol=1e-3)
    assert_allclose(
        table(GaussianMixture(1)).fit(X).score_samples(rows), fine.logpdf(rows), atol=1e-9
    )


def test_cells_of_a_rounded_normal_have_its_probabilities(rng):
    X = np.round(rng.normal(0.3, 1.0, size=(2000, 1)))
    density = FlowDensity(n_transforms=2, hidden_units=16, max_epochs=15, random_state=0)
    fitted = table(density, cells="probability").fit(X)
    k = np.arange(-3, 4)
    expected = norm(0.3, 1).cdf(k + 0.5) - norm(0.3, 1).cdf(k - 0.5)
    assert_allclose(np.exp(fitted.score_samples(k[:, None])), expected, atol=0.03)


@pytest.mark.parametrize("bounds", [(0, None), (None, 0), (0, 5)], ids=str)
def test_cells_of_bounded_integers_sum_to_one(bounds, rng):
    sign = -1 if bounds[0] is None else 1
    X = sign * rng.binomial(5, 0.2, size=(500, 1))
    fitted = table(cells="probability", n_draws=512, bounds={0: bounds}).fit(X)
    cells = sign * np.arange(6 if bounds == (0, 5) else 2000)
    assert_allclose(np.exp(fitted.score_samples(cells[:, None])).sum(), 1, atol=2e-3)
    assert fitted.score_samples([[-sign]])[0] == -np.inf


def test_the_table_of_two_categories_is_recovered(rng):
    truth = np.array([[0.30, 0.02, 0.08], [0.05, 0.25, 0.02], [0.03, 0.05, 0.20]])
    cell = rng.choice(9, p=truth.ravel(), size=2000)
    density = FlowDensity(n_transforms=2, hidden_units=32, max_epochs=15, random_state=0)
    fitted = table(density, kinds=["categorical"] * 2).fit(np.stack([cell // 3, cell % 3], 1))
    every = np.stack([np.arange(9) // 3, np.arange(9) % 3], 1)
    probability = np.exp(fitted.score_samples(every))
    assert_allclose(probability.sum(), 1, atol=0.01)
    assert_allclose(probability.reshape(3, 3), truth, atol=0.025)


def test_the_error_covers_the_distance_to_many_draws(frame):
    fitted = table(**DECLARED, cells="probability").fit(frame)
    frame = frame[:100]
    score, std = fitted.score_samples(frame, return_std=True)
    exact = fitted.set_params(n_draws=2048).score_samples(frame)
    assert np.mean(np.abs(score - exact) < 2 * std) > 0.9
    assert np.all(std < 1)
    _, none = table().fit(frame[["score"]]).score_samples(frame[["score"]], return_std=True)
    assert_array_equal(none, 0)


def test_what_cannot_be_has_no_density(frame):
    fitted = table(**DECLARED).fit(frame)
    wrong = {"colour": "violet", "age": 20.5, "children": -1, "weight": -1.0, "share": 1.5}
    for column, value in wrong.items():
        row = frame[:1].astype({column: object}).assign(**{column: [value]})
        assert fitted.score_samples(row)[0] == -np.inf, column
    kept = frame[:1].assign(size=["XL"], hour=[240.0])
    assert np.isfinite(fitted.score_samples(kept)).all()


def test_values_on_a_bound_are_kept(rng):
    X = np.concatenate([[0.0, 0.0, 1.0], rng.uniform(size=97)])[:, None]
    fitted = table(bounds={0: (0, 1)}).fit(X)
    assert np.isfinite(fitted.score_samples(X)).all()
    nearest = np.sort(X[:, 0])[2]
    with_it, beside_it = fitted._codecs[0].points(np.array([0.0, nearest / 2]), None)[0]
    assert_allclose(with_it, beside_it)
    edges = table(kinds=["bounded"], bounds={0: (0, 1)}).fit(np.tile([[0.0], [1.0]], (10, 1)))
    assert np.isfinite(edges.score_samples([[0.0], [1.0], [0.5]])).all()


def test_a_row_has_one_score(frame):
    frame = frame[:100]
    fitted = table(INNER["flow"], **DECLARED, cells="probability").fit(frame)
    scores = fitted.score_samples(frame)
    assert_allclose(fitted.score_samples(frame[::-1][:50]), scores[::-1][:50], rtol=0, atol=1e-7)
    assert_allclose(fitted.score(frame), scores.mean())
    again = pickle.loads(pickle.dumps(fitted))
    assert_allclose(again.score_samples(frame[:20]), scores[:20], rtol=0, atol=1e-7)

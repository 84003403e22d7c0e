"""Weights of rows, and tables on which covariances are singular."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid
from sklearn.datasets import load_digits

from flowkit import FlowDensity
from flowkit import bijections as b

from .examples import SMALL


def test_weights_pull_the_density_towards_heavy_rows():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-3, 1, (200, 1)), rng.normal(3, 1, (200, 1))])
    weight = np.repeat([9.0, 1.0], 200)
    density = FlowDensity(max_epochs=30, random_state=0).fit(X, sample_weight=weight)
    t = np.linspace(-15, 15, 3001)
    values = np.exp(density.score_samples(t[:, None]))
    assert trapezoid(values[t < 0], t[t < 0]) == pytest.approx(0.9, abs=0.06)


def test_equal_weights_are_no_weights(fitted, X):
    for value in (1.0, 7.0):
        weighted = FlowDensity(**SMALL).fit(X, sample_weight=np.full(len(X), value))
        np.testing.assert_allclose(
            weighted.score_samples(X), fitted.score_samples(X), rtol=1e-4, atol=1e-4
        )


def test_nearly_equal_weights_give_nearly_the_same_density():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 10))
    test = rng.normal(size=(500, 10))
    plain = FlowDensity(**SMALL).fit(X).score(test)
    for seed in range(3):
        weight = np.random.default_rng(seed).uniform(0.9, 1.1, 150)
        assert FlowDensity(**SMALL).fit(X, sample_weight=weight).score(test) > plain - 2


def _duplicated():
    X = np.random.default_rng(0).normal(size=(200, 3))
    return np.hstack([X, X[:, :2]])


def _two_scales():
    celsius = np.random.default_rng(0).normal(15, 8, (500, 1))
    return np.hstack([celsius, 1.8 * celsius + 32])


@pytest.mark.parametrize(
    "X",
    [
        _duplicated(),
        _two_scales(),
        np.random.default_rng(0).normal(size=(50, 60)),
        load_digits().data[:60],
    ],
    ids=["duplicated columns", "two scales of one column", "n < d", "digits"],
)
@pytest.mark.filterwarnings("ignore::flowkit.exceptions.FlowkitWarning")
def test_singular_covariances_do_not_wreck_the_density(X):
    density = FlowDensity(max_epochs=5, random_state=0).fit(X)
    # A normal density of each column on its own has this mean log density at best.
    alone = -np.log(density.scale_).sum() - 1.42 * X.shape[1]
    assert density.score(X) > alone - 0.5 * X.shape[1]
    assert density.history_["valid_log_density"][0] > alone - 2 * X.shape[1] or len(X) < 20


def test_a_flow_without_parameters_is_fitted_by_its_scale_alone(X):
    density = FlowDensity(b.Permutation(3), prior="normal").fit(X)
    expected = stats.norm(X.mean(0), X.std(0)).logpdf(X).sum(1)
    np.testing.assert_allclose(density.score_samples(X), expected, rtol=1e-6)
    assert len(density.history_["epoch"]) == density.n_iter_ + 1 == 1


def test_rows_of_weight_zero_are_left_out(X):
    wild = np.concatenate([X, 1e6 * np.ones((20, 3))])
    weight = np.concatenate([np.full(300, 1.0), np.zeros(20)])
    density = FlowDensity(**SMALL).fit(wild, sample_weight=weight)
    expected = FlowDensity(**SMALL).fit(X, sample_weight=np.ones(300))
    np.testing.assert_array_equal(density.score_samples(X), expected.score_samples(X))


def test_score_is_the_weighted_mean(fitted, X):
    scores = fitted.score_samples(X)
    assert fitted.score(X) == pytest.approx(scores.mean())
    weight = np.arange(len(X), dtype=float)
    expected = np.average(scores, weights=weight)
    assert fitted.score(X, sample_weight=weight) == pytest.approx(expected)

"""Jacobians of transformers against numerical ones, and in the tails."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

from flowkit import TransformedDensity
from flowkit.exceptions import FlowkitWarning, InvalidDataError, InvalidParameterError
from flowkit.transforms._jacobians import inverse_rows, transform_rows

from .examples import CASES, ROWS, SIGNED, Laplacian, logs


def fitted(transformer, X):
    return transformer if isinstance(transformer, str) else clone(transformer).fit(X, None)


def numerical_log_det(function, X, step=1e-5):
    """Central differences, one row and one column at a time."""
    steps = step * np.maximum(np.abs(X), 0.1)
    jacobians = np.empty((len(X), X.shape[1], X.shape[1]))
    for j in range(X.shape[1]):
        move = np.zeros_like(X)
        move[:, j] = steps[:, j]
        jacobians[:, :, j] = (function(X + move) - function(X - move)) / (2 * steps[:, [j]])
    return np.linalg.slogdet(jacobians)[1]


@pytest.mark.parametrize("name", CASES)
def test_log_det_is_the_numerical_one(name):
    transformer, X = CASES[name]
    transformer = fitted(transformer, X)
    Z, log_det = transform_rows(transformer, X)
    transform = (lambda X: X) if isinstance(transformer, str) else transformer.transform
    np.testing.assert_array_equal(Z, transform(X))
    np.testing.assert_allclose(log_det, numerical_log_det(transform, X), atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_inverse_leads_back(name):
    transformer, X = CASES[name]
    transformer = fitted(transformer, X)
    Z, _ = transform_rows(transformer, X)
    np.testing.assert_allclose(inverse_rows(transformer, Z), X, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_cloned_and_pickled_the_scores_are_the_same(name):
    transformer, X = CASES[name]
    density = TransformedDensity(transformer, GaussianMixture(random_state=0))
    with warnings.catch_warnings():
        # Of the mass beyond the range of the exponential and its like.
        warnings.simplefilter("ignore", FlowkitWarning)
        scores = density.fit(X).score_samples(X)
        again = clone(density).fit(X)
    assert np.isfinite(scores).all()
    np.testing.assert_array_equal(scores, pickle.loads(pickle.dumps(density)).score_samples(X))
    np.testing.assert_array_equal(scores, again.score_samples(X))
    one_by_one = [density.score_samples(row[None])[0] for row in X]
    np.testing.assert_allclose(scores, one_by_one, atol=1e-9)


def test_pipelines_multiply():
    X = ROWS
    first, second = logs().fit(X), StandardScaler().fit(np.log(X))
    _, whole = transform_rows(make_pipeline(logs(), StandardScaler()).fit(X), X)
    parts = transform_rows(first, X)[1] + transform_rows(second, np.log(X))[1]
    np.testing.assert_allclose(whole, parts, rtol=1e-14)


def test_known_density_of_known_transformer():
    X = np.random.default_rng(0).lognormal(1.0, 0.7, size=(500, 1))
    density = TransformedDensity(logs(), GaussianMixture(reg_covar=0.0)).fit(X)
    expected = stats.lognorm(np.log(X).std(), scale=np.exp(np.log(X).mean()))
    grid = np.geomspace(0.01, 100, 50)[:, None]
    np.testing.assert_allclose(density.score_samples(grid), expected.logpdf(grid).ravel())


def test_affine_transformers_do_not_change_a_gaussian():
    """Of a family that is closed under affine maps the likelihood is the same after any."""
    plain = GaussianMixture(reg_covar=0.0).fit(SIGNED).score_samples(SIGNED)
    for name in ("standard", "min_max", "max_abs", "robust_unit_variance", "pca", "pca_whitened"):
        density = TransformedDensity(CASES[name][0], GaussianMixture(reg_covar=0.0)).fit(SIGNED)
        np.testing.assert_allclose(density.score_samples(SIGNED), plain, rtol=1e-9)


@pytest.mark.parametrize(
    ("method", "X"),
    [
        ("yeo-johnson", np.random.default_rng(0).lognormal(sigma=0.2, size=(100, 1))),
        ("yeo-johnson", -np.random.default_rng(0).lognormal(sigma=0.2, size=(100, 1))),
        ("box-cox", np.random.default_rng(0).gamma(0.5, size=(100, 1))),
        ("box-cox", np.random.default_rng(0).pareto(0.5, size=(100, 1)) + 1.0),
    ],
    ids=["below_zero", "above_two", "root", "inverse"],
)
def test_power_transformer_survives_its_tails(method, X):
    """Powers below zero or above two overflow, or end, on one side."""
    with warnings.catch_warnings():
        # Of the mass beyond the end of such powers.
        warnings.simplefilter("ignore", FlowkitWarning)
        density = TransformedDensity(PowerTransformer(method), GaussianMixture()).fit(X)
    far = np.array([1e-300, 1e3, 1e50, 1e150, 1e300])
    far = np.concatenate([-far, [0.0], far])[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = density.score_samples(far)
    assert not np.isnan(scores).any()
    assert (scores < np.inf).all()
    # Far from all rows there is hardly any density, however steep the map is.
    assert (scores[np.abs(far[:, 0]) > 1e40] < -50).all()


def test_powers_that_lose_the_digits_of_a_column_are_refused():
    X = pd.DataFrame({"far": 30 + ROWS[:, 0], "near": ROWS[:, 1]})
    X["far"] = 31.0 + 0.2 * special.ndtri((np.arange(60) + 0.5) / 60) ** 2
    density = TransformedDensity(PowerTransformer("box-cox"), GaussianMixture())
    with pytest.raises(InvalidParameterError, match=r"column\(s\) far to power\(s\) -"):
        density.fit(X)
    remedy = make_pipeline(RobustScaler(), PowerTransformer())
    assert np.isfinite(density.set_params(transformer=remedy).fit(X).score(X))


def test_saturated_tails_keep_their_log_det():
    """Where the transformed values no longer move, their derivative still has a logarithm."""
    X = np.random.default_rng(0).pareto(1.0, size=(300, 1))
    transformer = PowerTransformer(standardize=False).fit(X)
    power = transformer.lambdas_[0]
    assert power < 0
    _, log_det = transform_rows(transformer, np.array([[1e30], [1e100]]))
    np.testing.assert_allclose(log_det, (power - 1) * np.log([1e30, 1e100]))


def test_constant_columns():
    X = np.column_stack([SIGNED, np.full(len(SIGNED), 3.0)])
    for transformer in (StandardScaler(), RobustScaler(), MinMaxScaler(), PowerTransformer()):
        _, log_det = transform_rows(transformer.fit(X), X)
        assert np.isfinite(log_det).all()
        _, without = transform_rows(clone(transformer).fit(SIGNED), SIGNED)
        np.testing.assert_allclose(log_det, without, rtol=1e-12)


def test_float32_rows_are_scored_in_float64():
    X = SIGNED.astype(np.float32)
    density = TransformedDensity(make_pipeline(PowerTransformer(), PCA()), KernelDensity())
    scores = density.fit(X).score_samples(X)
    assert scores.dtype == np.float64
    frame = pd.DataFrame(X, columns=["a", "b"])
    as_frame = clone(density).fit(frame).score_samples(frame)
    np.testing.assert_array_equal(scores, clone(density).fit(X.astype(float)).score_samples(X))
    np.testing.assert_allclose(scores, as_frame, rtol=1e-12)


def test_transformers_that_work_in_place_leave_the_rows_alone():
    transformer = make_pipeline(
        StandardScaler(copy=False), PowerTransformer(copy=False), PCA(copy=False, whiten=True)
    )
    for in_place in (transformer, PCA(copy=False), StandardScaler(copy=False)):
        X = SIGNED.copy()
        density = TransformedDensity(in_place, GaussianMixture()).fit(X)
        scores = density.score_samples(X)
        np.testing.assert_array_equal(X, SIGNED)
        copying = clone(in_place).set_params(
            **{name: True for name in in_place.get_params() if name.split("__")[-1] == "copy"}
        )
        expected = TransformedDensity(copying, GaussianMixture()).fit(X).score_samples(X)
        np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_missing_values_have_no_share_in_the_jacobian():
    """A row with a missing value gets the marginal density of the others."""
    X = ROWS.copy()
    X[:20, 0] = np.nan
    for transformer in (StandardScaler(), PowerTransformer("box-cox"), logs()):
        density = TransformedDensity(transformer, Laplacian()).fit(X)
        scores = density.score_samples(X)
        alone = clone(density).fit(X[:, [1]]).score_samples(X[:20, [1]])
        np.testing.assert_allclose(scores[:20], alone)
    with pytest.raises(InvalidDataError, match=r"NaN in column\(s\) 0"):
        TransformedDensity(StandardScaler(), KernelDensity()).fit(X)

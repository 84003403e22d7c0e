"""A transformed density that learns from chunks of rows."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from flowkit import FlowDensity, TransformedDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError, OutsideSupportError

FLOW = {"n_transforms": 2, "hidden_units": 8, "partial_fit_epochs": 1, "random_state": 0}


def rows(n=300, seed=0):
    return np.random.default_rng(seed).normal(5.0, 3.0, size=(n, 2))


def chunks(X, n=3):
    return np.array_split(X, n)


def trained(transformer, X, **parameters):
    density = TransformedDensity(transformer, FlowDensity(**FLOW, **parameters))
    for chunk in chunks(X):
        assert density.partial_fit(chunk) is density
    return density


@pytest.mark.parametrize("transformer", [StandardScaler(), MinMaxScaler(), "passthrough"], ids=str)
def test_the_density_learns_what_one_alone_learns_from_transformed_chunks(transformer):
    X = rows()
    density = trained(transformer, X)
    alone = FlowDensity(**FLOW)
    for chunk in chunks(X):
        alone.partial_fit(density.transformer_.transform(chunk))
    Z = density.transformer_.transform(X)
    shift = density.score_samples(X) - alone.score_samples(Z)
    np.testing.assert_allclose(shift, shift[0], atol=1e-9)
    assert density.density_.n_samples_seen_ == len(X)


def test_the_first_chunk_settles_the_transformer():
    X = rows()
    density = trained(StandardScaler(), X)
    np.testing.assert_allclose(density.transformer_.mean_, chunks(X)[0].mean(0))


def test_a_transformer_can_be_given():
    X = rows()
    given = StandardScaler().fit(X + 1)
    density = trained(FrozenEstimator(given), X)
    np.testing.assert_array_equal(density.transformer_.mean_, given.mean_)


def test_training_goes_on_after_fit_and_after_pickling():
    X, more = rows(), rows(seed=1)
    density = TransformedDensity(
        StandardScaler(), FlowDensity(**FLOW, max_epochs=2, early_stopping=False)
    ).fit(X)
    mean = density.transformer_.mean_
    copy = pickle.loads(pickle.dumps(density))
    before = density.score_samples(X)
    for one in (density, copy):
        one.partial_fit(more)
    np.testing.assert_array_equal(density.score_samples(X), copy.score_samples(X))
    assert (density.score_samples(X) != before).any()
    np.testing.assert_array_equal(density.transformer_.mean_, mean)


def test_weights_reach_the_density():
    X = rows()
    weight = np.where(X[:, 0] > 5, 1.0, 0.0)
    density = TransformedDensity(StandardScaler(), FlowDensity(**FLOW))
    density.partial_fit(X, sample_weight=weight)
    np.testing.assert_allclose(density.transformer_.mean_, X[weight > 0].mean(0))
    assert density.density_.n_samples_seen_ == (weight > 0).sum()


class Forgetful(BaseEstimator):
    """A density that changes before it refuses a chunk."""

    def fit(self, X, y=None):
        return self.partial_fit(X)

    def partial_fit(self, X, y=None):
        self.n_ = getattr(self, "n_", 0) + len(X)
        if (X > 50).any():
            raise ValueError("refused")
        return self

    def score_samples(self, X):
        return np.full(len(X), float(self.n_))


@pytest.mark.parametrize("density", [Forgetful(), FlowDensity(**FLOW)], ids=["other", "flow"])
@pytest.mark.parametrize("bad", [[[np.nan, 1.0]], [[1.0, 2.0, 3.0]], [["a", 1.0]]], ids=str)
def test_a_chunk_that_is_refused_changes_nothing(density, bad):
    X = rows()
    density = TransformedDensity("passthrough", density).partial_fit(X)
    before = density.score_samples(X)
    with pytest.raises(ValueError, match=r"NaN|features|number"):
        density.partial_fit(bad)
    np.testing.assert_array_equal(density.score_samples(X), before)


def test_a_density_that_fails_halfway_is_put_back():
    X = rows()
    density = TransformedDensity("passthrough", Forgetful())
    with pytest.raises(ValueError, match="refused"):
        density.partial_fit(X + 100)
    assert not hasattr(density, "density_")
    before = density.partial_fit(X).score_samples(X)
    with pytest.raises(ValueError, match="refused"):
        density.partial_fit(X + 100)
    np.testing.assert_array_equal(density.score_samples(X), before)


def test_rows_outside_the_domain_are_refused_as_in_fit():
    X = np.abs(rows()) + 0.1
    density = TransformedDensity(Log(), FlowDensity(**FLOW)).partial_fit(X)
    before = density.score_samples(X)
    with pytest.raises(OutsideSupportError, match="rows 1 first"):
        density.partial_fit(X[:20] * np.where(np.arange(20) == 1, -1, 1)[:, None])
    np.testing.assert_array_equal(density.score_samples(X), before)


class Log(BaseEstimator):
    def fit(self, X, y=None):
        return self

    def transform(self, X):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(X)

    def inverse_transform(self, Z):
        return np.exp(Z)

    def log_abs_det_jacobian(self, X):
        with np.errstate(invalid="ignore", divide="ignore"):
            log_det = -np.log(X).sum(1)
        return np.where((X > 0).all(1), log_det, -np.inf)


def test_densities_of_all_rows_at_once_have_none():
    density = TransformedDensity(StandardScaler(), GaussianMixture())
    assert not hasattr(density, "partial_fit")
    with pytest.raises(AttributeError) as error:
        density.partial_fit(rows())
    assert "GaussianMixture has no partial_fit" in str(error.value.__cause__)


def test_weights_need_a_density_that_takes_them():
    with pytest.raises(InvalidParameterError, match="takes no sample_weight"):
        TransformedDensity("passthrough", Forgetful()).partial_fit(
            rows(), sample_weight=np.ones(300)
        )


def test_chunks_come_one_by_one():
    with pytest.raises(InvalidDataError, match="to partial_fit, one by one"):
        TransformedDensity("passthrough", FlowDensity(**FLOW)).partial_fit(iter([rows()]))

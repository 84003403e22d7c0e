"""Estimators in searches, pipelines, unions and tables, as any of scikit-learn's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from flowkit import FlowDensity

from .examples import SMALL


def test_clone_and_set_params(X):
    density = FlowDensity(**SMALL)
    assert clone(density).get_params() == density.get_params()
    assert density.set_params(n_bins=5).n_bins == 5
    with pytest.raises(ValueError, match="n_binz"):
        density.set_params(n_binz=5)


def test_grid_search_over_processes(X):
    search = GridSearchCV(
        FlowDensity(**SMALL), {"n_bins": [4, 8], "prior": ["normal"]}, cv=2, n_jobs=2
    ).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    serial = GridSearchCV(FlowDensity(**SMALL), {"n_bins": [4, 8], "prior": ["normal"]}, cv=2).fit(
        X
    )
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"], rtol=1e-5
    )
    assert np.isfinite(search.score_samples(X)).all()
    assert search.best_estimator_.score(X) == pytest.approx(search.score(X))


def test_randomized_search_and_cross_val_score(X):
    search = RandomizedSearchCV(
        FlowDensity(**SMALL),
        {"learning_rate": stats.loguniform(1e-4, 1e-2)},
        n_iter=2,
        cv=2,
        random_state=0,
    ).fit(X)
    assert 1e-4 <= search.best_params_["learning_rate"] <= 1e-2
    scores = cross_val_score(FlowDensity(**SMALL), X, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()


def test_pipeline_searches_and_scores(X):
    pipeline = make_pipeline(StandardScaler(), FlowDensity(**SMALL)).fit(X)
    assert pipeline.score_samples(X).shape == (300,)
    assert pipeline.score(X) == pytest.approx(pipeline.score_samples(X).mean())
    assert pipeline.transform(X).shape == X.shape
    search = GridSearchCV(pipeline, {"flowdensity__n_bins": [4]}, cv=2).fit(X)
    assert search.best_params_ == {"flowdensity__n_bins": 4}


def test_set_output_feature_names_and_feature_union(X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    density = FlowDensity(**SMALL).set_output(transform="pandas").fit(frame)
    latent = density.transform(frame)
    assert list(latent.columns) == ["flowdensity0", "flowdensity1", "flowdensity2"]
    assert list(density.get_feature_names_out()) == list(latent.columns)
    union = FeatureUnion([("scaled", StandardScaler()), ("latent", FlowDensity(**SMALL))])
    both = union.set_output(transform="pandas").fit_transform(frame)
    assert both.shape == (300, 6)
    polars_frame = pl.DataFrame(frame.to_dict("list"))
    out = FlowDensity(**SMALL).set_output(transform="polars").fit_transform(polars_frame)
    assert isinstance(out, pl.DataFrame)


def test_data_frames_are_checked_by_name(fitted, X):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    density = FlowDensity(**SMALL).fit(frame)
    assert list(density.feature_names_in_) == ["a", "b", "c"]
    np.testing.assert_array_equal(density.score_samples(frame), fitted.score_samples(X))
    with pytest.raises(ValueError, match="feature names"):
        density.score_samples(frame[["b", "a", "c"]])
    with pytest.raises(ValueError, match="feature names"):
        density.score_samples(frame.rename(columns={"a": "z"}))


def test_sample_weight_is_routed_through_a_pipeline(fitted, X):
    weight = np.ones(len(X))
    weight[:150] = 5.0
    direct = FlowDensity(**SMALL).fit(X, sample_weight=weight).score_samples(X)
    with sklearn.config_context(enable_metadata_routing=True):
        density = FlowDensity(**SMALL).set_fit_request(sample_weight=True)
        density = density.set_score_request(sample_weight=True)
        pipeline = Pipeline([("density", density)]).fit(X, sample_weight=weight)
        np.testing.assert_array_equal(pipeline.score_samples(X), direct)
        scores = cross_val_score(density, X, cv=2, params={"sample_weight": weight})
    assert np.isfinite(scores).all()
    assert (direct != fitted.score_samples(X)).any()


@pytest.mark.parametrize(
    "method", ["score_samples", "score", "transform", "inverse_transform", "sample"]
)
def test_unfitted_estimators_say_so(method, X):
    arguments = [] if method == "sample" else [X]
    with pytest.raises(NotFittedError):
        getattr(FlowDensity(), method)(*arguments)

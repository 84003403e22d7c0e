"""TransformedDensity as any estimator: tables, parameters, weights, searches, checks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn import set_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, StandardScaler
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit import TransformedDensity
from flowkit.exceptions import InvalidParameterError

from ..table import WRAPPERS
from .examples import ROWS, SIGNED, logs


def columns_by_name():
    return ColumnTransformer(
        [("tall", make_pipeline(PowerTransformer()), ["height"])], remainder=StandardScaler()
    )


@pytest.mark.parametrize("output", ["default", "pandas", "polars"])
@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame])
def test_data_frames(container, output):
    frame = container(pd.DataFrame(SIGNED, columns=["width", "height"]).to_dict("list"))
    transformer = make_pipeline(columns_by_name(), MinMaxScaler()).set_output(transform=output)
    density = TransformedDensity(transformer, KernelDensity()).fit(frame)
    assert list(density.feature_names_in_) == ["width", "height"]
    by_index = ColumnTransformer([("b", PowerTransformer(), [1])], remainder=StandardScaler())
    plain = TransformedDensity(make_pipeline(by_index, MinMaxScaler()), KernelDensity()).fit(SIGNED)
    np.testing.assert_allclose(density.score_samples(frame), plain.score_samples(SIGNED))
    np.testing.assert_allclose(density.sample(4, 0), plain.sample(4, 0))
    with pytest.raises(ValueError, match="feature names"):
        density.score_samples(frame[["height", "width"]])


def test_global_output_setting():
    frame = pd.DataFrame(SIGNED, columns=["width", "height"])
    expected = TransformedDensity(columns_by_name(), KernelDensity()).fit(frame).score(frame)
    set_config(transform_output="pandas")
    try:
        density = TransformedDensity(columns_by_name(), KernelDensity()).fit(frame)
        assert density.score(frame) == pytest.approx(expected, rel=1e-12)
    finally:
        set_config(transform_output="default")


def test_nested_parameters_and_clones():
    density = TransformedDensity(make_pipeline(StandardScaler(), PCA()), KernelDensity())
    density.set_params(transformer__pca__whiten=True, density__bandwidth=0.5)
    assert clone(density).get_params()["transformer__pca__whiten"] is True
    density.fit(SIGNED)
    assert density.density_.bandwidth == 0.5
    assert not hasattr(density.density, "tree_")
    assert not hasattr(density.transformer[0], "scale_")
    assert not hasattr(density, "random_state")
    with pytest.raises(ValueError, match="Did you mean 'density'"):
        density.set_params(densty=KernelDensity())


def test_weights_reach_the_density_and_the_scaler():
    weight = np.random.default_rng(0).integers(0, 4, len(SIGNED))
    density = TransformedDensity(StandardScaler(), KernelDensity(bandwidth=0.3))
    weighted = clone(density).fit(SIGNED, sample_weight=weight).score_samples(SIGNED)
    repeated = clone(density).fit(np.repeat(SIGNED, weight, axis=0)).score_samples(SIGNED)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-9)
    with pytest.raises(InvalidParameterError, match="GaussianMixture takes no sample_weight"):
        TransformedDensity(StandardScaler(), GaussianMixture()).fit(SIGNED, sample_weight=weight)
    with pytest.raises(ValueError, match="zero"):
        density.fit(SIGNED, sample_weight=np.zeros(len(SIGNED)))


def test_score_is_the_weighted_mean():
    density = TransformedDensity(StandardScaler(), KernelDensity()).fit(SIGNED)
    scores = density.score_samples(SIGNED)
    assert density.score(SIGNED) == pytest.approx(scores.mean())
    weight = np.arange(len(SIGNED))
    expected = np.average(scores, weights=weight)
    assert density.score(SIGNED, sample_weight=weight) == pytest.approx(expected)


def test_a_transformed_density_is_a_density():
    """Inside another one the Jacobians add up."""
    inner = TransformedDensity(StandardScaler(), KernelDensity(bandwidth=0.3))
    nested = TransformedDensity(logs(), inner).fit(ROWS)
    flat = TransformedDensity(make_pipeline(logs(), StandardScaler()), inner.density).fit(ROWS)
    np.testing.assert_allclose(nested.score_samples(ROWS), flat.score_samples(ROWS))
    np.testing.assert_allclose(nested.sample(3, 0), flat.sample(3, 0))


def test_grid_search_over_scalers_finds_the_right_one():
    """Rows are log-normal: the Box-Cox transform knows them, the narrowest units win without."""
    X = np.random.default_rng(0).lognormal(2.0, 1.0, size=(400, 1))
    scalers = [StandardScaler(), MinMaxScaler(), PowerTransformer("box-cox")]
    in_units_of_each = Pipeline([("transformer", StandardScaler()), ("density", GaussianMixture())])
    in_units_of_rows = TransformedDensity(StandardScaler(), GaussianMixture())
    wrong = GridSearchCV(in_units_of_each, {"transformer": scalers}, cv=5).fit(X)
    right = GridSearchCV(in_units_of_rows, {"transformer": scalers}, cv=5).fit(X)
    assert isinstance(wrong.best_params_["transformer"], MinMaxScaler)
    assert isinstance(right.best_params_["transformer"], PowerTransformer)
    truth = stats.lognorm(1.0, scale=np.exp(2.0)).logpdf(X).mean()
    assert right.best_score_ == pytest.approx(truth, abs=0.05)
    # A Gaussian is a Gaussian after both affine scalers.
    standard, min_max, _ = right.cv_results_["mean_test_score"]
    assert standard == pytest.approx(min_max, abs=0.01)


def test_a_weight_of_none_is_no_weight():
    parts = [("a", StandardScaler(), [0, 1])]
    density = TransformedDensity(
        ColumnTransformer(parts, transformer_weights={"a": None}), KernelDensity()
    )
    plain = TransformedDensity(StandardScaler(), KernelDensity()).fit(SIGNED)
    np.testing.assert_allclose(density.fit(SIGNED).score(SIGNED), plain.score(SIGNED))


NO_WEIGHTS = dict.fromkeys(
    [
        "check_sample_weights_pandas_series",
        "check_sample_weights_not_an_array",
        "check_sample_weights_list",
        "check_sample_weights_shape",
        "check_sample_weights_not_overwritten",
        "check_sample_weight_equivalence_on_dense_data",
    ],
    "a mixture takes no weights",
)


@parametrize_with_checks(
    [WRAPPERS["transformed"](), WRAPPERS["transformed_mixture"]()],
    expected_failed_checks=lambda estimator: (
        NO_WEIGHTS if isinstance(estimator.density, GaussianMixture) else {}
    ),
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [WRAPPERS["transformed_flow"]()], expected_failed_checks=lambda estimator: {}
)
def test_scikit_learn_checks_around_a_flow(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_param_validation,
        checks.check_dataframe_column_names_consistency,
        checks.check_inplace_ensure_writeable,
    ],
    ids=lambda check: check.__name__,
)
def test_checks_that_scikit_learn_calls_only_by_hand(check):
    check("TransformedDensity", WRAPPERS["transformed"]())

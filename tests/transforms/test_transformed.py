"""Densities after transformers: Jacobians, integrals, refusals, and what comparing them says."""

from __future__ import annotations

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import special, stats
from sklearn import set_config
from sklearn.base import BaseEstimator, DensityMixin, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, KernelPCA
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import estimator_checks as checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from flowkit import DifferentiableFunctionTransformer, FlowDensity, TransformedDensity
from flowkit.exceptions import (
    FlowkitWarning,
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
)
from flowkit.transforms._jacobians import KNOWN_MAPS, inverse_rows, transform_rows


def cube_and_line(x, slope=1.0):
    return x**3 + slope * x


def slope_of_cube_and_line(x, slope=1.0):
    return 3 * x**2 + slope


def cube_root(z):
    return np.cbrt(z)


def slope_of_cube(x):
    return 3 * x**2


def cube(x):
    return x**3


class Swirl(TransformerMixin, BaseEstimator):
    """Turns each point by an angle that grows with its radius, then doubles the first column."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    @staticmethod
    def _turn(X, sign):
        angle = sign * np.hypot(*X.T)
        return np.column_stack(
            [
                np.cos(angle) * X[:, 0] - np.sin(angle) * X[:, 1],
                np.sin(angle) * X[:, 0] + np.cos(angle) * X[:, 1],
            ]
        )

    def transform(self, X):
        return self._turn(X, 1) * [2.0, 1.0]

    def inverse_transform(self, Z):
        return self._turn(Z / [2.0, 1.0], -1)

    def log_abs_det_jacobian(self, X):
        return np.full(len(X), np.log(2.0))


class Laplacian(DensityMixin, BaseEstimator):
    """Independent standard Laplace columns; a missing value has no share."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def score_samples(self, X):
        return np.nansum(-np.abs(X) - np.log(2), axis=1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class Halved(StandardScaler):
    """Another map than that of the class that it extends."""

    def transform(self, X, copy=None):
        return 0.5 * super().transform(X, copy)

    def inverse_transform(self, X, copy=None):
        return super().inverse_transform(2.0 * np.asarray(X), copy)


class HalvedWithJacobian(Halved):
    def log_abs_det_jacobian(self, X):
        return np.full(len(X), -np.log(2 * self.scale_).sum())


def logs(function=np.log, inverse=np.exp):
    return FunctionTransformer(function, inverse, check_inverse=False)


ROWS = np.random.default_rng(0).lognormal(0.0, 0.5, size=(60, 2)) @ [[1.0, 0.3], [0.1, 2.0]]
SIGNED = np.random.default_rng(1).normal(size=(60, 2)) @ [[1.0, 0.8], [0.0, 2.0]] + [0.3, -0.5]
UNIT = special.expit(SIGNED)

CASES = {
    "standard": (StandardScaler(), SIGNED),
    "standard_mean_only": (StandardScaler(with_std=False), SIGNED),
    "standard_scale_only": (StandardScaler(with_mean=False), SIGNED),
    "min_max": (MinMaxScaler((-2, 5)), SIGNED),
    "max_abs": (MaxAbsScaler(), SIGNED),
    "robust": (RobustScaler(), SIGNED),
    "robust_unit_variance": (RobustScaler(unit_variance=True, quantile_range=(5, 90)), SIGNED),
    "robust_no_scale": (RobustScaler(with_scaling=False), SIGNED),
    "yeo_johnson": (PowerTransformer(), SIGNED),
    "yeo_johnson_raw": (PowerTransformer(standardize=False), ROWS),
    "box_cox": (PowerTransformer("box-cox"), ROWS),
    "box_cox_raw": (PowerTransformer("box-cox", standardize=False), ROWS),
    "identity": (FunctionTransformer(), SIGNED),
    "passthrough": ("passthrough", SIGNED),
    "log": (logs(), ROWS),
    "log2": (logs(np.log2, np.exp2), ROWS),
    "log10": (logs(np.log10, special.exp10), ROWS),
    "log1p": (logs(np.log1p, np.expm1), ROWS),
    "exp": (logs(np.exp, np.log), SIGNED),
    "expm1": (logs(np.expm1, np.log1p), SIGNED),
    "sqrt": (logs(np.sqrt, np.square), ROWS),
    "cbrt": (logs(np.cbrt, cube), SIGNED),
    "sinh": (logs(np.sinh, np.arcsinh), SIGNED),
    "arcsinh": (logs(np.arcsinh, np.sinh), SIGNED),
    "tanh": (logs(np.tanh, np.arctanh), SIGNED),
    "arctanh": (logs(np.arctanh, np.tanh), UNIT),
    "logit": (logs(special.logit, special.expit), UNIT),
    "expit": (logs(special.expit, special.logit), SIGNED),
    "derivative": (DifferentiableFunctionTransformer(cube, cube_root, slope_of_cube), SIGNED),
    "pca": (PCA(), SIGNED),
    "pca_whitened": (PCA(whiten=True), SIGNED),
    "pca_covariance_whitened": (PCA(2, whiten=True, svd_solver="covariance_eigh"), SIGNED),
    "pipeline": (make_pipeline(logs(), StandardScaler(), PCA(whiten=True)), ROWS),
    "pipeline_of_nothing": (Pipeline([("a", "passthrough"), ("b", None)]), SIGNED),
    "columns_reordered": (
        ColumnTransformer(
            [
                ("second", make_pipeline(logs(), MinMaxScaler()), [1]),
                ("first", PowerTransformer(), [0]),
            ]
        ),
        ROWS,
    ),
    "columns_passthrough": (
        ColumnTransformer([("scaled", RobustScaler(), slice(1, 2))], remainder="passthrough"),
        SIGNED,
    ),
    "columns_weighted_nested": (
        make_pipeline(
            ColumnTransformer(
                [("all", make_pipeline(PCA(), StandardScaler()), [True, True]), ("no", PCA(), [])],
                transformer_weights={"all": 3.0},
            ),
            StandardScaler(with_std=False),
        ),
        SIGNED,
    ),
    "columns_passthrough_weighted": (
        ColumnTransformer(
            [("same", "passthrough", [1])],
            remainder=MinMaxScaler(),
            transformer_weights={"same": -2.0, "remainder": 0.5, "other": 0.0},
        ),
        SIGNED,
    ),
    "frozen": (FrozenEstimator(make_pipeline(StandardScaler(), PCA()).fit(SIGNED)), SIGNED),
    "pca_randomized": (PCA(2, svd_solver="randomized", random_state=0), SIGNED),
    "own_method": (Swirl(), SIGNED),
    "subclass_with_own_method": (HalvedWithJacobian(), SIGNED),
    "own_method_nested": (make_pipeline(StandardScaler(), Swirl(), PowerTransformer()), SIGNED),
}


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
    assert np.trapezoid(np.exp(scores), grid.ravel()) == pytest.approx(1.0, abs=2e-4)


def test_box_cox_integrates_to_one_over_its_domain():
    X = np.random.default_rng(0).lognormal(size=(300, 1))
    density = TransformedDensity(PowerTransformer("box-cox"), GaussianMixture()).fit(X)
    logarithms = np.linspace(-15, 15, 20001)
    values = np.exp(density.score_samples(np.exp(logarithms)[:, None]) + logarithms)
    assert np.trapezoid(values, logarithms) == pytest.approx(1.0, abs=1e-4)


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
    assert np.trapezoid(np.trapezoid(values, second), first) == pytest.approx(1.0, abs=2e-3)


def test_the_flow_integrates_to_one():
    X = np.random.default_rng(0).lognormal(size=(200, 1))
    density = TransformedDensity(logs(), FlowDensity(max_epochs=2, random_state=0)).fit(X)
    logarithms = np.linspace(-12, 12, 4001)
    values = np.exp(density.score_samples(np.exp(logarithms)[:, None]) + logarithms)
    assert np.trapezoid(values, logarithms) == pytest.approx(1.0, abs=1e-3)


def test_mass_beyond_the_range_is_told_and_only_lowers_the_score():
    """A wide kernel after a transform that ends: the integral is the mass that is left."""
    X = np.random.default_rng(0).lognormal(sigma=0.3, size=(300, 1))
    transformer = logs(np.exp, np.log)
    with pytest.warns(FlowkitWarning, match="beyond the range of the transformer"):
        density = TransformedDensity(transformer, KernelDensity(bandwidth=2.0)).fit(X)
    grid = np.linspace(-40, 5, 40001)
    integral = np.trapezoid(np.exp(density.score_samples(grid[:, None])), grid)
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


@pytest.mark.parametrize(
    ("transformer", "reason"),
    [
        (QuantileTransformer(n_quantiles=10), "step function"),
        (make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=10)), "step function"),
        (MinMaxScaler(clip=True), "clip=False"),
        (MaxAbsScaler(clip=True), r"MaxAbsScaler\(clip=True\).*clip=False"),
        (Halved(), "Halved is a subclass of StandardScaler.*log_abs_det_jacobian"),
        (make_pipeline(PCA(), Halved()), "Halved is a subclass of StandardScaler"),
        (FrozenEstimator(Halved().fit(SIGNED)), "Halved is a subclass of StandardScaler"),
        (FrozenEstimator(MaxAbsScaler(clip=True).fit(SIGNED)), "clip=False"),
        (
            ColumnTransformer([("a", Halved(), [0])], remainder=PCA()),
            "Halved is a subclass of StandardScaler",
        ),
        (
            ColumnTransformer([("a", PCA(), [0])], remainder=MaxAbsScaler(clip=True)),
            "clip=False",
        ),
        (
            ColumnTransformer([("a", PCA(), [0, 1])], transformer_weights={"a": 0.0}),
            "'a' by transformer_weights of 0.0",
        ),
        (
            ColumnTransformer([("a", PCA(), [0, 1])], transformer_weights={"a": np.nan}),
            "'a' by transformer_weights of nan",
        ),
        (FeatureUnion([("a", StandardScaler())]), "FeatureUnion is not known"),
        (PCA(1), "keeps 1 of 2 dimensions"),
        (PCA(0.5), "keeps 1 of 2 dimensions"),
        (Normalizer(), "Normalizer is not known.*Supported are"),
        (OneHotEncoder(handle_unknown="ignore"), "OneHotEncoder is not known"),
        (PolynomialFeatures(), "PolynomialFeatures is not known"),
        (KernelPCA(), "KernelPCA is not known"),
        (FunctionTransformer(np.square), "derivative of square.*DifferentiableFunctionTransformer"),
        (FunctionTransformer(np.log, kw_args={"where": True}), "log with kw_args"),
        (ColumnTransformer([("a", StandardScaler(), [0])]), r"drops column\(s\) 1"),
        (ColumnTransformer([("a", "drop", [0])], remainder=PCA()), r"drops column\(s\) 0"),
        (
            ColumnTransformer([("a", StandardScaler(), [0, 1]), ("b", PCA(), [1])]),
            r"column\(s\) 1 more than once",
        ),
        (
            ColumnTransformer([("a", StandardScaler(), [0, 0, 1])]),
            r"column\(s\) 0 more than once",
        ),
        (
            ColumnTransformer([("a", QuantileTransformer(n_quantiles=10), [0])], remainder=PCA()),
            "step function",
        ),
        (
            DifferentiableFunctionTransformer(np.square, None, lambda x: 2 * x),
            r"both signs in column\(s\) 0, 1",
        ),
        (
            DifferentiableFunctionTransformer(np.cbrt, None, lambda x: x[:, :0]),
            "shape",
        ),
        (
            DifferentiableFunctionTransformer(np.exp, np.log, np.ones_like),
            r"not that of func in column\(s\) 0, 1: at 0\.645584 it is 1, .* rises by 1\.907",
        ),
        (
            DifferentiableFunctionTransformer(
                lambda x: x @ [[1.0, 1.0], [0.0, 1.0]], None, np.ones_like
            ),
            r"not that of func in column\(s\) 1",
        ),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_refused_before_the_density_is_fitted(transformer, reason):
    class Unfittable(KernelDensity):
        def fit(self, X, y=None, sample_weight=None):
            raise AssertionError

    density = TransformedDensity(transformer, Unfittable())
    with pytest.raises(InvalidParameterError, match=reason):
        density.fit(SIGNED)
    assert not [name for name in vars(density) if name.endswith("_")]


SUPPORTED = {
    "standard": StandardScaler(),
    "min_max": MinMaxScaler(),
    "max_abs": MaxAbsScaler(),
    "robust": RobustScaler(),
    "power": PowerTransformer(),
    "pca": PCA(),
    "function": FunctionTransformer(np.sinh, np.arcsinh),
    "derivative": DifferentiableFunctionTransformer(np.sinh, np.arcsinh, np.cosh),
    "pipeline": make_pipeline(StandardScaler()),
    "columns": ColumnTransformer([("a", PCA(), [0, 1])]),
    "frozen": FrozenEstimator(StandardScaler().fit(SIGNED)),
}


@pytest.mark.parametrize("nest", [lambda t: t, make_pipeline], ids=["alone", "nested"])
@pytest.mark.parametrize("transformer", SUPPORTED.values(), ids=SUPPORTED)
def test_a_subclass_of_any_known_transformer_is_refused_unless_it_brings_its_jacobian(
    transformer, nest
):
    kind = type(transformer)
    other = type("Other", (kind,), {"__sklearn_clone__": lambda self: self})
    own = type("Own", (other,), {"log_abs_det_jacobian": lambda self, X: np.full(len(X), 0.5)})
    names = inspect.signature(kind).parameters
    parameters = {name: getattr(transformer, name) for name in names}
    with pytest.raises(InvalidParameterError, match=f"Other is a subclass of {kind.__name__} "):
        TransformedDensity(nest(other(**parameters)), KernelDensity()).fit(SIGNED)
    density = TransformedDensity(nest(own(**parameters)), KernelDensity()).fit(SIGNED)
    Z = density.transformer_.transform(SIGNED)
    np.testing.assert_allclose(
        density.score_samples(SIGNED), density.density_.score_samples(Z) + 0.5
    )


# Parameters that leave the map as it is, or of which a case above has another value.
KNOWN_PARAMETERS = {
    StandardScaler: "copy with_mean with_std",
    MinMaxScaler: "feature_range copy clip",
    MaxAbsScaler: "copy clip",
    RobustScaler: "with_centering with_scaling quantile_range copy unit_variance",
    PowerTransformer: "method standardize copy",
    FunctionTransformer: "func inverse_func validate accept_sparse check_inverse feature_names_out "
    "kw_args inv_kw_args",
    PCA: "n_components copy whiten svd_solver tol iterated_power n_oversamples "
    "power_iteration_normalizer random_state",
    Pipeline: "steps transform_input memory verbose",
    ColumnTransformer: "transformers remainder sparse_threshold n_jobs transformer_weights verbose "
    "verbose_feature_names_out force_int_remainder_cols",
    FrozenEstimator: "estimator",
}


@pytest.mark.parametrize("kind", KNOWN_PARAMETERS, ids=lambda kind: kind.__name__)
def test_no_parameter_of_a_known_transformer_is_new(kind):
    """One that is may change the map, as ``clip`` did: see to its Jacobian, then add it here."""
    assert set(inspect.signature(kind).parameters) <= set(KNOWN_PARAMETERS[kind].split())


def test_all_known_transformers_are_tested():
    tested = {type(transformer) for transformer in SUPPORTED.values()}
    assert set(KNOWN_MAPS) == tested | {QuantileTransformer}
    assert set(KNOWN_PARAMETERS) == tested - {DifferentiableFunctionTransformer}


def test_the_identity_has_an_inverse_whatever_is_given_for_it():
    transformer = FunctionTransformer(None, np.exp, check_inverse=False).fit(SIGNED)
    np.testing.assert_array_equal(inverse_rows(transformer, SIGNED), SIGNED)


def test_a_function_without_a_hash_is_refused_like_any_other():
    class Line:
        __hash__ = None

        def __call__(self, X):
            return 2 * X

    density = TransformedDensity(FunctionTransformer(Line()), KernelDensity())
    with pytest.raises(InvalidParameterError, match=r"derivative of .*Line.* is not known"):
        density.fit(SIGNED)


def test_dropped_columns_are_named():
    frame = pd.DataFrame(SIGNED, columns=["width", "height"])
    transformer = ColumnTransformer([("a", StandardScaler(), ["width"])])
    with pytest.raises(InvalidParameterError, match=r"drops column\(s\) height"):
        TransformedDensity(transformer, KernelDensity()).fit(frame)


@pytest.mark.parametrize("solver", ["full", "covariance_eigh"])
def test_whitening_of_nothing_is_refused(solver):
    X = np.column_stack([SIGNED, SIGNED.sum(1)])
    density = TransformedDensity(PCA(3, whiten=True, svd_solver=solver), KernelDensity())
    with pytest.raises(InvalidParameterError, match="span 2 of 3 dimensions"):
        density.fit(X)
    assert np.isfinite(density.set_params(transformer__whiten=False).fit(X).score(X))
    with pytest.raises(InvalidParameterError, match="keeps 3 of 4 dimensions"):
        TransformedDensity(PCA(), KernelDensity()).fit(np.eye(4)[:3])


def test_training_rows_outside_the_domain_are_named():
    density = TransformedDensity(logs(), KernelDensity()).fit(ROWS)
    before = density.score(ROWS)
    X = ROWS.copy()
    X[5, 1] = -1.0
    with pytest.raises(OutsideSupportError, match="rows 5 first"):
        density.fit(X)
    assert density.score(ROWS) == before


def test_a_method_with_the_wrong_shape_is_refused():
    class Wrong(Swirl):
        def log_abs_det_jacobian(self, X):
            return 0.0

    with pytest.raises(InvalidDataError, match=r"one value for each row: \(60,\)"):
        TransformedDensity(Wrong(), KernelDensity()).fit(SIGNED)


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


def test_a_derivative_with_parameters():
    transformer = DifferentiableFunctionTransformer(
        cube_and_line, None, slope_of_cube_and_line, kw_args={"slope": 2.0}
    )
    _, log_det = transform_rows(transformer.fit(SIGNED), SIGNED)
    np.testing.assert_allclose(log_det, np.log(3 * SIGNED**2 + 2).sum(1))
    assert pickle.loads(pickle.dumps(transformer)).derivative is slope_of_cube_and_line
    assert clone(transformer).derivative is slope_of_cube_and_line


def test_a_function_sees_real_numbers_and_keeps_what_is_missing():
    transformer = DifferentiableFunctionTransformer(
        np.reciprocal, np.reciprocal, lambda x: -1 / x**2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Z = transformer.fit_transform(pd.DataFrame({"a": [1, 2, None], "b": [4, 5, 8]}))
    np.testing.assert_array_equal(Z, [[1.0, 0.25], [0.5, 0.2], [np.nan, 0.125]])
    assert transformer.get_feature_names_out().tolist() == ["a", "b"]
    # An integer has no reciprocal among the integers.
    np.testing.assert_array_equal(transformer.fit_transform([[2]]), [[0.5]])


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (np.arctan, lambda x: 1 / (1 + x**2)),
        (np.cbrt, lambda x: np.abs(x) ** (-2 / 3) / 3),
        (lambda x: np.where(x < 0, x, 3 * x), lambda x: np.where(x < 0, 1.0, 3.0)),
        (lambda x: np.sinh(x).astype(np.float32), np.cosh),
        (lambda x: -(x**11), lambda x: -11 * x**10),
    ],
    ids=["arctan", "cbrt", "kink", "float32", "power"],
)
def test_a_right_derivative_is_taken_whatever_the_units(function, derivative, scale):
    transformer = DifferentiableFunctionTransformer(function, None, derivative)
    with warnings.catch_warnings():
        # Of overflows far off.
        warnings.simplefilter("ignore", RuntimeWarning)
        transformer.fit(np.concatenate([SIGNED * scale, [[0.0, np.nan]]]))
        transformer.fit(np.zeros((3, 1)))


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (lambda x: np.clip(x, -1, 1), np.ones_like),
        (lambda x: np.where(x < 1, x, 3 * x), np.ones_like),
        (lambda x: np.maximum(x, -1), np.ones_like),
    ],
    ids=["clip", "kink", "maximum"],
)
def test_a_derivative_that_is_right_in_most_rows_is_refused(function, derivative):
    X = np.random.default_rng(0).normal(size=(500, 2))
    with pytest.raises(InvalidParameterError, match=r"not that of func in column\(s\) 0, 1"):
        DifferentiableFunctionTransformer(function, None, derivative).fit(X)


def test_a_weight_of_none_is_no_weight():
    parts = [("a", StandardScaler(), [0, 1])]
    density = TransformedDensity(
        ColumnTransformer(parts, transformer_weights={"a": None}), KernelDensity()
    )
    plain = TransformedDensity(StandardScaler(), KernelDensity()).fit(SIGNED)
    np.testing.assert_allclose(density.fit(SIGNED).score(SIGNED), plain.score(SIGNED))


def test_an_inverse_that_does_not_lead_back_is_warned_of():
    transformer = DifferentiableFunctionTransformer(np.exp, np.log1p, np.exp)
    with pytest.warns(FlowkitWarning, match="does not lead back"):
        transformer.fit(SIGNED)
    one_way = DifferentiableFunctionTransformer(np.exp, None, np.exp).fit(SIGNED)
    assert not hasattr(one_way, "inverse_transform")


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

ESTIMATORS = [
    TransformedDensity(StandardScaler(), KernelDensity()),
    # Mixtures refuse other starts in scikit-learn's checks of other arrays than numpy's.
    TransformedDensity(StandardScaler(), GaussianMixture(init_params="random_from_data")),
    TransformedDensity(
        StandardScaler(),
        FlowDensity(
            "affine_coupling", n_transforms=1, prior="normal", max_epochs=2, random_state=0
        ),
    ),
]


@parametrize_with_checks(
    ESTIMATORS[:2],
    expected_failed_checks=lambda estimator: (
        NO_WEIGHTS if isinstance(estimator.density, GaussianMixture) else {}
    ),
    xfail_strict=True,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS[2:], expected_failed_checks=lambda estimator: {})
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
    check("TransformedDensity", ESTIMATORS[0])

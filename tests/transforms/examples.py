"""Transformers and rows that tests of densities after them share."""

from __future__ import annotations

import numpy as np
from scipy import special
from sklearn.base import BaseEstimator, DensityMixin, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from flowkit import DifferentiableFunctionTransformer


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

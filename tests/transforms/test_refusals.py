"""Transformers that are refused, with the reason, before the density is fitted."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, KernelPCA
from sklearn.frozen import FrozenEstimator
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

from flowkit import DifferentiableFunctionTransformer, TransformedDensity
from flowkit.exceptions import InvalidDataError, InvalidParameterError, OutsideSupportError
from flowkit.transforms._jacobians import KNOWN_MAPS, inverse_rows

from .examples import ROWS, SIGNED, Halved, Swirl, logs

# Earlier versions of scikit-learn have only one scaler that clips.
CLIPPER = MaxAbsScaler if "clip" in MaxAbsScaler().get_params() else MinMaxScaler


@pytest.mark.parametrize(
    ("transformer", "reason"),
    [
        (QuantileTransformer(n_quantiles=10), "step function"),
        (make_pipeline(StandardScaler(), QuantileTransformer(n_quantiles=10)), "step function"),
        (MinMaxScaler(clip=True), "clip=False"),
        (CLIPPER(clip=True), rf"{CLIPPER.__name__}\(clip=True\).*clip=False"),
        (Halved(), "Halved is a subclass of StandardScaler.*log_abs_det_jacobian"),
        (make_pipeline(PCA(), Halved()), "Halved is a subclass of StandardScaler"),
        (FrozenEstimator(Halved().fit(SIGNED)), "Halved is a subclass of StandardScaler"),
        (FrozenEstimator(CLIPPER(clip=True).fit(SIGNED)), "clip=False"),
        (
            ColumnTransformer([("a", Halved(), [0])], remainder=PCA()),
            "Halved is a subclass of StandardScaler",
        ),
        (
            ColumnTransformer([("a", PCA(), [0])], remainder=CLIPPER(clip=True)),
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

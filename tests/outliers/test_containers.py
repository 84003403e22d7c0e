"""Tables of every kind reach a detector as they are, and their names come back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from flowkit import DensityOutlierDetector
from flowkit.exceptions import InvalidParameterError

from .examples import mixed_table, rows


def table_pipeline():
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind", "tame"]), remainder=StandardScaler()
    )
    return make_pipeline(encoder, KernelDensity(bandwidth=0.3))


def test_tables_reach_pipelines_as_they_are():
    X = mixed_table()
    detector = DensityOutlierDetector(table_pipeline(), calibrate=True, random_state=0).fit(X)
    strange = X[:3].assign(size=[9.0, -9.0, 0.0], kind=pd.Categorical(["cat", "emu", "dog"]))
    strange["tame"] = [True, False, True]
    assert list(detector.predict(strange)) == [-1, -1, 1]
    assert (detector.p_values(strange)[:2] < 0.02).all()
    effects = detector.set_output(transform="pandas").explain(strange)
    assert list(effects.iloc[:2].idxmax(axis=1)) == ["size", "size"]
    assert list(detector.feature_names_in_) == ["kind", "size", "tame"]
    assert np.isfinite(effects.to_numpy()).all()


def test_other_columns_are_refused():
    X = mixed_table()
    detector = DensityOutlierDetector(table_pipeline()).fit(X)
    with pytest.raises(ValueError, match="feature names should match"):
        detector.predict(X[["size", "kind", "tame"]])
    with pytest.raises(ValueError, match="features"):
        DensityOutlierDetector(KernelDensity()).fit(rows()).predict(rows(5, 2))


def test_containers_give_the_same_scores_and_reasons():
    X = rows()
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    expected, reasons = detector.score_samples(X), detector.explain(X[:5])
    names = ["a", "b", "c"]
    for container in (
        X.tolist(),
        X.astype(object),
        pd.DataFrame(X),
        pd.DataFrame(X, columns=names),
        pd.DataFrame(X, columns=names).astype("Float64"),
        pl.DataFrame(X, schema=names),
    ):
        fitted = DensityOutlierDetector(GaussianMixture()).fit(container)
        np.testing.assert_allclose(fitted.score_samples(container), expected)
        np.testing.assert_allclose(fitted.explain(container[:5]), reasons, atol=1e-9)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_names_of_columns_are_kept_and_compared(frame):
    X = dict(zip("abc", rows().T, strict=True))
    detector = DensityOutlierDetector(GaussianMixture()).fit(frame(X))
    assert list(detector.feature_names_in_) == ["a", "b", "c"]
    assert detector.get_part_names() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        detector.predict(frame(X)[["c", "a", "b"]])


def test_columns_without_names_are_numbered():
    detector = DensityOutlierDetector(GaussianMixture()).fit(rows())
    assert detector.get_part_names() == ["x0", "x1", "x2"]


@pytest.mark.parametrize("names", [[0, 1, 7], [("a", 1), ("a", 2), ("b", 1)]], ids=str)
def test_labels_that_are_no_text_name_the_reasons(names):
    X = pd.DataFrame(rows(), columns=pd.Index(names))
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    assert detector.get_part_names() == names
    effects = detector.set_output(transform="pandas").explain(X[:2])
    assert list(effects.columns) == names
    assert detector.set_output(transform="polars").explain(X[:2]).columns == list(map(str, names))


@pytest.mark.parametrize("container", [np.array, pd.DataFrame, pl.DataFrame])
def test_set_output_decides_what_reasons_are(container):
    X = container(rows(60, 2))
    detector = DensityOutlierDetector(GaussianMixture()).fit(X)
    expected = detector.explain(X)
    assert type(expected) is np.ndarray
    for setting, kind in {"pandas": pd.DataFrame, "polars": pl.DataFrame}.items():
        with config_context(transform_output=setting):
            told = detector.explain(X)
        assert type(told) is type(clone(detector.set_output(transform=setting)).fit(X).explain(X))
        assert type(told) is kind
        assert [str(name) for name in told.columns] == list(map(str, detector.get_part_names()))
        np.testing.assert_array_equal(told.to_numpy(), expected)
        with config_context(transform_output="default"):
            assert type(detector.explain(X)) is kind
        detector.set_output(transform="default")
        with config_context(transform_output=setting):
            assert type(detector.explain(X)) is np.ndarray
        del detector._sklearn_output_config


def test_reasons_keep_the_index_of_the_rows():
    X = pd.DataFrame(rows(60, 2), columns=["a", "b"], index=np.arange(60) * 10)
    detector = DensityOutlierDetector(KernelDensity()).set_output(transform="pandas").fit(X)
    assert list(detector.explain(X[5:8]).index) == [50, 60, 70]


def test_unknown_outputs_are_refused():
    with pytest.raises(InvalidParameterError, match=r"pandas.*polars.*None, got 'frame'"):
        DensityOutlierDetector().set_output(transform="frame")

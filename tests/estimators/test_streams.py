"""A fit to rows on disk, or in chunks, is that to an array of them, and copies none."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from flowkit import Chunks, FlowDensity, RGFlowDensity
from flowkit.estimators import _rows, _training
from flowkit.exceptions import InvalidDataError, NotConvergedWarning

from ..streams.examples import NAMES, SOURCES, every_source
from .examples import SMALL, correlated, every_class, pictures

IMAGES = {"hidden_units": 8, "max_epochs": 2, "random_state": 0}


@pytest.fixture
def few_are_many(monkeypatch):
    """Rows are left where they are, and read batch by batch, however few they are."""
    monkeypatch.setattr(_rows, "_FEW_VALUES", 0)
    monkeypatch.setattr(_training, "_MAX_KEPT_VALUES", 0)


def same_fit(one, other, X):
    """Two fits agree bit for bit; frames gave names to the second."""
    named = hasattr(other, "feature_names_in_") and not hasattr(X, "columns")
    np.testing.assert_array_equal(
        one.score_samples(X), other.score_samples(frame(X) if named else X)
    )
    for name, values in one.history_.items():
        if name != "seconds":
            np.testing.assert_array_equal(values, other.history_[name])


def frame(X):
    return pd.DataFrame(X, columns=NAMES)


@every_source
def test_every_source_gives_the_fit_to_the_array(source, fitted, X, tmp_path):
    other = clone(fitted).fit(Chunks(source(X, tmp_path)))
    assert other.n_samples_seen_ == len(X)
    if hasattr(other, "feature_names_in_"):
        assert list(other.feature_names_in_) == NAMES
    same_fit(fitted, other, X)


@pytest.mark.parametrize("name", ["generator", "dataset", "file", "reader"])
def test_streams_need_no_wrapper(name, fitted, X, tmp_path):
    same_fit(fitted, clone(fitted).fit(SOURCES[name](X, tmp_path)), X)


@every_class
def test_rows_that_stay_where_they_are_give_the_same_fit(build, few_are_many, fits, X, tmp_path):
    mapped = SOURCES["memmap"](X, tmp_path)
    for given in (mapped, np.asfortranarray(X), iter(np.array_split(X, 7))):
        same_fit(fits(build), build().fit(given), X)


def test_weights_count_the_same_wherever_rows_are(monkeypatch, X):
    weight = np.random.default_rng(0).integers(0, 4, size=len(X))
    expected = FlowDensity(**SMALL).fit(X, sample_weight=weight)
    monkeypatch.setattr(_rows, "_FEW_VALUES", 0)
    monkeypatch.setattr(_training, "_MAX_KEPT_VALUES", 0)
    for given in (X, iter(np.array_split(X, 7))):
        same_fit(expected, FlowDensity(**SMALL).fit(given, sample_weight=weight), X)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.int64])
def test_numbers_of_any_type_are_taken_as_they_are(dtype, few_are_many, tmp_path):
    X = (50 * correlated()).astype(dtype)
    expected = FlowDensity(**SMALL).fit(X.astype(np.float64))
    for given in (X, SOURCES["memmap"](X, tmp_path), iter(np.array_split(X, 7))):
        same_fit(expected, FlowDensity(**SMALL).fit(given), X.astype(np.float64))


def test_a_density_is_begun_from_some_of_many_rows(monkeypatch, few_are_many, X):
    """By training rows alone, the same ones wherever they are."""
    whole = FlowDensity(**SMALL).fit(X)
    monkeypatch.setattr(_rows, "_MAX_DESCRIBED_ROWS", 150)
    some = FlowDensity(**SMALL).fit(X)
    same_fit(some, FlowDensity(**SMALL).fit(iter(np.array_split(X, 7))), X)
    assert (some.location_ != whole.location_).all()
    np.testing.assert_allclose(some.location_, X.mean(0), atol=4 * X.std(0).max() / 150**0.5)
    weight = np.where(X[:, 0] > np.median(X[:, 0]), 1e6, 1.0)
    heavy = FlowDensity(**SMALL).fit(X, sample_weight=weight)
    assert heavy.location_[0] > np.median(X[:, 0])
    assert heavy.n_samples_seen_ == len(X)


def test_training_goes_on_from_chunks(few_are_many, X):
    density = FlowDensity(**SMALL, warm_start=True).fit(X)
    other = FlowDensity(**SMALL, warm_start=True).fit(iter(np.array_split(X, 3)))
    assert density.fit(X).score(X) == other.fit(iter(np.array_split(X, 5))).score(X)
    same_fit(density.partial_fit(X), other.partial_fit(X), X)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3)])
def test_images_in_chunks_stay_grey(shape, few_are_many):
    images = pictures(60, shape)
    expected = RGFlowDensity(image_shape=shape, **IMAGES).fit(images)
    assert expected.dequantization_[0] == 1
    flat = images.reshape(60, -1)
    for given in (iter(np.array_split(images, 4)), iter(np.array_split(flat, 4)), flat):
        same_fit(expected, RGFlowDensity(image_shape=shape, **IMAGES).fit(given), images)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_none_is_named_in_any_chunk(value, few_are_many):
    X = frame(correlated())
    X.loc[250, "b"] = value
    density = FlowDensity(**SMALL).fit(X[:100])
    before = density.score_samples(X[:100])
    for given in (X[i : i + 60] for i in range(0, 300, 60)), Chunks(X, chunk_rows=60):
        with pytest.raises(InvalidDataError, match=r"column\(s\) b"):
            density.fit(given)
    with pytest.raises(InvalidDataError, match=r"column\(s\) 1\. "):
        FlowDensity(**SMALL).fit(X.to_numpy())
    np.testing.assert_array_equal(density.score_samples(X[:100]), before)


def test_chunks_have_the_columns_of_the_first(X):
    with pytest.raises(ValueError, match="2 features"):
        FlowDensity(**SMALL).fit(iter([X, X[:, :2]]))
    with pytest.raises(ValueError, match="same order"):
        FlowDensity(**SMALL).fit(iter([frame(X), frame(X)[["c", "a", "b"]]]))


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_in_all_chunks_are_refused(n, X):
    with pytest.raises(InvalidDataError, match="minimum of 2 is required"):
        FlowDensity(**SMALL).fit(iter([X[:n]]))


def test_rows_that_are_completed_are_in_memory(X):
    with pytest.raises(InvalidDataError, match="missing='marginalize' completes rows in memory"):
        FlowDensity(**SMALL, missing="marginalize").fit(iter([X]))


@pytest.mark.parametrize("method", ["partial_fit", "score_samples", "transform"])
@pytest.mark.parametrize(
    "given",
    ["rows.parquet", iter([]), Chunks(np.ones((2, 3)))],
    ids=["path", "iterator", "chunks"],
)
def test_other_methods_say_what_takes_chunks(method, given, fitted):
    with pytest.raises(InvalidDataError, match="score_chunks"):
        getattr(fitted, method)(given)


def test_a_training_on_chunks_goes_on_from_its_checkpoint(X, tmp_path):
    """A checkpoint knows the rows again, whatever chunks they came in."""
    path = tmp_path / "training"
    options = {**SMALL, "max_epochs": 3}
    expected = FlowDensity(**options).fit(X)
    other = FlowDensity(**options, checkpoint=path).fit(iter(np.array_split(X, 4)))
    same_fit(expected, other, X)
    assert not path.exists()


def peak_of(work):
    """Bytes of numpy arrays that were alive at once, beyond those before."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("source", ["memmap", "generator"])
def test_no_copy_of_all_rows_is_made(source, monkeypatch, tmp_path):
    monkeypatch.setattr(_rows, "_MAX_DESCRIBED_ROWS", 1000)
    monkeypatch.setattr(_training, "_MAX_KEPT_VALUES", 0)
    n, d = 300_000, 16
    X = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    given = SOURCES["memmap"](X, tmp_path)
    if source == "generator":
        mapped = given
        given = (mapped[i : i + 5000] for i in range(0, n, 5000))
    density = FlowDensity(**SMALL, max_time=1e-6, validation_fraction=0.001)
    with pytest.warns(NotConvergedWarning, match="max_time"):
        peak = peak_of(lambda: density.fit(given))
    # An order of the rows and a block of them; a copy in float64 alone takes more.
    assert peak < X.nbytes * 1.2 < n * d * 8
    mapped = SOURCES["memmap"](X, tmp_path)
    assert peak_of(lambda: density.score_samples(mapped)) < X.nbytes * 1.2

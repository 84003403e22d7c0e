"""Scores of rows in chunks are those of all rows at once."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from sklearn.mixture import GaussianMixture

from flowkit import Chunks, DensityOutlierDetector, FlowDensity, score_chunks
from flowkit.exceptions import InvalidDataError, InvalidFileError, InvalidParameterError

from .examples import every_source, frame_of, parts, rows

SMALL = {"n_transforms": 2, "hidden_units": 8, "max_epochs": 1, "random_state": 0}
METHODS = ["score_samples", "transform"]


@pytest.fixture(scope="module")
def density():
    return FlowDensity(**SMALL).fit(rows())


@pytest.fixture(scope="module")
def of_frames():
    return FlowDensity(**SMALL).fit(frame_of(rows()))


@every_source
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:X has no column names:UserWarning")
def test_scores_of_chunks_are_those_of_all_rows(source, of_frames, tmp_path):
    X = rows()
    scores = score_chunks(of_frames, Chunks(source(X, tmp_path), chunk_rows=9))
    np.testing.assert_array_equal(scores, of_frames.score_samples(frame_of(X)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("block_rows", [1, 10, 101, 1000])
def test_every_block_is_scored_once(method, block_rows, density, tmp_path):
    X = rows()
    expected = getattr(density, method)(X)
    for out in (None, np.empty(expected.shape), tmp_path / "a.npy", tmp_path / "a.parquet"):
        got = score_chunks(density, parts(X), out, method=method, block_rows=block_rows)
        assert out is None or got is out
        if out is not None and not isinstance(out, np.ndarray):
            got = read(out)
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
        assert got.dtype == expected.dtype


def read(path):
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r")
    values = pd.read_parquet(path).to_numpy()
    return values[:, 0] if values.shape[1] == 1 else values


@pytest.mark.parametrize("method", METHODS)
def test_parquet_names_its_columns_after_the_method(method, density, tmp_path):
    out = score_chunks(density, rows(), tmp_path / "scores.parquet", method=method)
    names = ["score_samples"] if method == "score_samples" else [f"transform_{j}" for j in range(3)]
    assert pyarrow.parquet.read_schema(out).names == names


def test_a_memory_map_is_filled(density, tmp_path):
    X = rows()
    out = np.lib.format.open_memmap(tmp_path / "s.npy", "w+", np.float32, (len(X),))
    score_chunks(density, iter(parts(X)), out)
    out.flush()
    np.testing.assert_allclose(np.load(tmp_path / "s.npy"), density.score_samples(X), rtol=1e-6)


@pytest.mark.parametrize("method", ["decision_function", "predict", "score_samples"])
def test_detectors_score_chunks_too(method):
    X = rows()
    detector = DensityOutlierDetector(GaussianMixture(), random_state=0).fit(X)
    got = score_chunks(detector, parts(X), method=method, block_rows=20)
    np.testing.assert_allclose(got, getattr(detector, method)(X))


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
@pytest.mark.parametrize("when", [0, 1])
def test_a_file_is_whole_or_as_it_was(suffix, when, density, tmp_path):
    out = tmp_path / f"scores{suffix}"
    score_chunks(density, rows(), out)
    before = out.read_bytes()
    bad = [rows(20), rows(20)]
    bad[when] = np.full((20, 3), np.nan)
    with pytest.raises(InvalidDataError, match="NaN"):
        score_chunks(density, bad, out, block_rows=20)
    assert out.read_bytes() == before
    assert os.listdir(tmp_path) == [out.name]


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
def test_a_folder_that_is_not_there_is_told(suffix, density, tmp_path):
    with pytest.raises(InvalidFileError, match="cannot be written"):
        score_chunks(density, rows(), tmp_path / "none" / f"scores{suffix}")


@pytest.mark.parametrize(
    "out",
    [np.empty(100), np.empty(102), np.empty((101, 1)), np.empty(101, dtype=int)],
    ids=["short", "long", "wide", "whole"],
)
def test_an_array_of_another_form_is_refused(out, density):
    with pytest.raises(InvalidParameterError, match="out "):
        score_chunks(density, rows(), out, block_rows=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "scores.csv"}, r"\.npy, \.parquet"),
        ({"out": 3}, "out must be"),
        ({"method": "nothing"}, "no method 'nothing'"),
        ({"block_rows": 0}, "block_rows must be"),
    ],
    ids=["suffix", "out", "method", "block"],
)
def test_parameters_are_checked(options, message, density):
    with pytest.raises(InvalidParameterError, match=message):
        score_chunks(density, rows(), **options)


def test_methods_that_give_no_row_of_numbers_are_refused(density):
    with pytest.raises(InvalidParameterError, match="one row of numbers"):
        score_chunks(density, rows(), method="score")


def test_no_rows_are_no_scores(density, tmp_path):
    for out in (None, np.empty(0), tmp_path / "a.npy", tmp_path / "a.parquet"):
        with pytest.raises(InvalidDataError, match="no rows to score"):
            score_chunks(density, iter([]), out)
    assert not list(tmp_path.iterdir())


def test_a_path_is_read_as_chunks_alone(density):
    with pytest.raises(InvalidParameterError, match=r"Chunks\('rows\.parquet'\)"):
        score_chunks(density, "rows.parquet")

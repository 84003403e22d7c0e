"""Chunks give the rows of their source, once each and in order."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from flowkit import (
    Chunks,
    DensityOutlierDetector,
    FlowDensity,
    StackedDensity,
    TableDensity,
    TransformedDensity,
)
from flowkit.exceptions import (
    InvalidDataError,
    InvalidParameterError,
    MissingDependencyError,
    MissingFileError,
)
from flowkit.streams import is_stream
from flowkit.streams.chunks import in_blocks

from .examples import NAMES, SOURCES, every_source, frame_of, parts, pieces, rows


@every_source
@pytest.mark.parametrize("chunk_rows", [1, 7, 1000])
def test_chunks_hold_the_rows_of_their_source_in_order(source, chunk_rows, tmp_path):
    X = rows()
    chunks = [np.asarray(chunk) for chunk in Chunks(source(X, tmp_path), chunk_rows=chunk_rows)]
    np.testing.assert_array_equal(np.concatenate(chunks), X)
    assert min(map(len, chunks)) > 0


@every_source
def test_chunks_can_be_read_again_but_those_of_generators(source, tmp_path):
    X = rows()
    given = source(X, tmp_path)
    chunks = Chunks(given)
    assert sum(map(len, chunks)) == len(X)
    if hasattr(given, "__next__"):
        with pytest.raises(InvalidDataError, match="Chunks\\(lambda: chunks\\(\\)\\)"):
            list(chunks)
    else:
        assert sum(map(len, chunks)) == len(X)


@pytest.mark.parametrize("name", ["array", "memmap", "pandas", "polars", "path", "dataset", "file"])
def test_chunks_that_we_make_are_no_longer_than_asked(name, tmp_path):
    sizes = [len(chunk) for chunk in Chunks(SOURCES[name](rows(), tmp_path), chunk_rows=20)]
    assert max(sizes) == 20


@pytest.mark.parametrize("name", ["pandas", "polars", "path", "folder", "dataset", "file"])
def test_columns_are_chosen_by_name_in_the_order_asked_for(name, tmp_path):
    X = rows()
    for chunk in Chunks(SOURCES[name](X, tmp_path), columns=["c", "a"], chunk_rows=1000):
        assert list(chunk.columns) == ["c", "a"]
    with pytest.raises(InvalidParameterError, match="zzz"):
        list(Chunks(SOURCES["pandas"](X, tmp_path), columns=["zzz"]))
    with pytest.raises(InvalidParameterError, match="columns=\\['a'\\] needs"):
        list(Chunks(X, columns=["a"]))


@pytest.mark.parametrize("make", [np.asarray, frame_of, sparse.csr_array, pl.DataFrame])
def test_blocks_do_not_depend_on_chunks(make):
    X = rows(101)
    rng = np.random.default_rng(1)
    for _ in range(5):
        cuts = np.sort(rng.integers(0, 102, size=9))
        chunks = Chunks([make(part) for part in np.split(X, cuts)])
        blocks = list(in_blocks(chunks, 10))
        assert all(type(block) is type(make(X)) for block in blocks)
        assert [block.shape[0] for block in blocks] == [10] * 10 + [1]
        dense = [b.toarray() if sparse.issparse(b) else np.asarray(b) for b in blocks]
        np.testing.assert_array_equal(np.concatenate(dense), X)


def test_blocks_are_of_one_container():
    X = rows()
    with pytest.raises(InvalidDataError, match="'pandas', the first one was of 'array'"):
        list(in_blocks(Chunks([X, frame_of(X)]), 10))


def test_what_holds_rows_is_no_stream(tmp_path):
    X = rows()
    held = [X, X.tolist(), frame_of(X), pl.DataFrame(X), sparse.csr_array(X), None, 1.0, "text"]
    assert not any(map(is_stream, held))
    for name in ("generator", "dataset", "file", "reader"):
        assert is_stream(SOURCES[name](X, tmp_path))
    assert is_stream(Chunks(X))


@pytest.mark.parametrize("source", [None, 3, b"rows.parquet", {"a": [1.0]}, object()])
def test_what_gives_no_rows_is_refused(source):
    with pytest.raises(InvalidParameterError, match="source must be"):
        Chunks(source)


@pytest.mark.parametrize("chunk_rows", [0, -1, 1.5, None])
def test_chunks_have_rows(chunk_rows):
    with pytest.raises(InvalidParameterError, match="chunk_rows must be"):
        Chunks(rows(), chunk_rows=chunk_rows)


def test_columns_are_a_list():
    with pytest.raises(InvalidParameterError, match=r"give \['a'\]"):
        Chunks(rows(), columns="a")


def test_single_rows_are_no_chunks():
    with pytest.raises(InvalidDataError, match="chunk 1 has shape \\(3,\\)"):
        list(Chunks([rows(2), rows(1)[0]]))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.parquet"):
        list(Chunks(tmp_path / "none.parquet"))


@pytest.mark.parametrize("package", ["pyarrow", "pandas"])
def test_parquet_needs_its_packages(package, tmp_path, monkeypatch):
    path = SOURCES["path"](rows(), tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=package):
        list(Chunks(path))


def test_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path):
    X = rows()
    first = next(iter(Chunks(pieces(X, tmp_path))))
    assert list(first.columns) == NAMES
    np.testing.assert_array_equal(first, X[:50])


@pytest.mark.parametrize(
    "X",
    ["rows.parquet", Chunks(np.zeros((3, 2))), iter([])],
    ids=["path", "chunks", "iterator"],
)
@pytest.mark.parametrize(
    "density",
    [
        TableDensity(),
        TransformedDensity("passthrough", FlowDensity()),
        StackedDensity(),
        DensityOutlierDetector(),
        DensityOutlierDetector(FlowDensity()),
        FlowDensity(missing="marginalize"),
    ],
    ids=lambda density: type(density).__name__,
)
def test_what_needs_rows_at_once_says_what_takes_chunks(density, X):
    can_go_on = hasattr(density, "partial_fit")
    message = "to partial_fit, one by one" if can_go_on else "has no partial_fit, to an array"
    before = dict(vars(density))
    with pytest.raises(InvalidDataError, match=message):
        density.fit(X)
    assert vars(density) == before


def test_chunks_are_left_as_they_are():
    X = rows()
    kept = [part.copy() for part in parts(X)]
    given = parts(X)
    list(in_blocks(Chunks(given), 10))
    for one, other in zip(given, kept, strict=True):
        np.testing.assert_array_equal(one, other)

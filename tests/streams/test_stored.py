"""Rows of a stream, stored as they are."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest

from flowkit.exceptions import InvalidDataError, InvalidFileError
from flowkit.streams import StoredRows, store_rows

from .examples import rows


def as_floats(chunk, is_first):
    return chunk if chunk.dtype.kind == "f" else chunk.astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int32, np.int64])
def test_values_and_narrow_types_are_kept(dtype):
    X = (100 * rows(50) + 150).astype(dtype)
    stored = store_rows((X[i : i + 7] for i in range(0, 50, 7)), as_floats)
    np.testing.assert_array_equal(stored, X)
    assert stored.dtype == (np.float64 if dtype is np.int64 else dtype)
    assert isinstance(stored, StoredRows)
    assert not stored.flags.writeable


def test_the_type_is_one_that_all_chunks_fit_in():
    one, other, last = rows(5, np.float32), np.pi * rows(4), rows(3, np.float32)
    stored = store_rows(iter([one, other, last]), as_floats)
    np.testing.assert_array_equal(stored, np.concatenate([one, other, last]))
    whole = store_rows(iter([np.full((2, 3), 255, np.uint8), rows(4, np.float32)]), as_floats)
    assert whole.dtype == np.float32
    assert (whole[:2] == 255).all()


def test_the_first_chunk_is_told_from_the_others():
    told = []
    store_rows(iter([rows(2), rows(2), rows(2)]), lambda chunk, first: told.append(first) or chunk)
    assert told == [True, False, False]


def test_the_file_has_no_name_and_goes_with_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    stored = store_rows(iter([rows(20)]), as_floats)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(np.asarray(stored)[3:5], rows(20)[3:5])


def test_no_rows_are_refused():
    with pytest.raises(InvalidDataError, match="give a new one"):
        store_rows(iter([rows(0)]), as_floats)


def test_no_room_is_told_with_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(InvalidFileError, match="TMPDIR") as error:
        store_rows(iter([rows(5)]), as_floats)
    assert "none" in str(error.value)

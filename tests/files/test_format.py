"""What a file looks like to other tools, to people, and to other versions."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_iris

import flowkit
from flowkit import DensityOutlierDetector, FlowDensity, load, model_card, save
from flowkit.exceptions import (
    DamagedFileError,
    FileVersionError,
    FileVersionWarning,
    FlowkitFileError,
    MissingFileError,
)
from flowkit.files import _archive, _tensors, _versions

from .mutations import MANIFEST, MODEL, TENSORS, file_of, parts_of


@pytest.fixture(scope="module")
def density():
    X = load_iris(as_frame=True).data
    return FlowDensity(n_transforms=1, hidden_units=8, max_epochs=2, random_state=0).fit(X)


@pytest.fixture
def path(density, tmp_path):
    save(density, tmp_path / "file", scores={"test": -1.5}, note="Of flowers.")
    return tmp_path / "file"


# ------------------------------------------------------------------ other tools


def test_other_tools_read_the_archive_and_its_json(path, density):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [MANIFEST, MODEL, TENSORS]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        manifest, model = json.loads(archive.read(MANIFEST)), json.loads(archive.read(MODEL))
    assert manifest["class"] == "flowkit.FlowDensity"
    assert model[-1]["class"] == "flowkit.FlowDensity"
    parameters = {**density.get_params(), "callbacks": None}
    assert {name: model[-1]["state"][name] for name in parameters} == parameters


def test_arrays_are_where_the_header_of_safetensors_says(path):
    block = parts_of(path.read_bytes())[TENSORS]
    length = struct.unpack("<Q", block[:8])[0]
    header, data = json.loads(block[8 : 8 + length]), block[8 + length :]
    assert length % 8 == 0
    assert block[8:9] == b"{"
    ends = [entry["data_offsets"] for entry in header.values()]
    assert [start for start, _ in ends] == [0, *(end for _, end in ends[:-1])]
    assert ends[-1][1] == len(data)
    sizes = {"F64": 8, "I64": 8, "F32": 4, "BOOL": 1}
    for entry in header.values():
        start, end = entry["data_offsets"]
        assert end - start == np.prod(entry["shape"], dtype=int) * sizes[entry["dtype"]]
        assert start % sizes[entry["dtype"]] == 0


@pytest.mark.parametrize("dtype", _tensors.DTYPES.values(), ids=_tensors.DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_arrays_of_all_dtypes_come_back(dtype, shape):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 2, shape).astype(dtype), rng.normal(size=5).astype(np.float32)]
    block = b"".join(_tensors.pieces(arrays))
    hasher = hashlib.sha256()
    found = _tensors.read(io.BytesIO(block), len(block), hasher)
    assert hasher.digest() == hashlib.sha256(block).digest()
    for array, expected in zip(found, arrays, strict=True):
        assert array.dtype == expected.dtype
        assert array.flags.writeable
        np.testing.assert_array_equal(array, expected, strict=True)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"a": ENTRY},
        {"0": ENTRY, "1": ENTRY},
        {"0": {**ENTRY, "dtype": "F99"}},
        {"0": {**ENTRY, "dtype": ["F32"]}},
        {"0": {**ENTRY, "dtype": "I64"}},
        {"0": {**ENTRY, "shape": [3]}},
        {"0": {**ENTRY, "shape": [-2]}},
        {"0": {**ENTRY, "shape": [2.0]}},
        {"0": {**ENTRY, "shape": [True, 2]}},
        {"0": {**ENTRY, "shape": 2}},
        {"0": {**ENTRY, "shape": 40 * [1]}},
        {"0": {**ENTRY, "shape": [2**62, 4, 2]}},
        {"0": {**ENTRY, "data_offsets": [4, 12]}},
        {"0": {**ENTRY, "data_offsets": [0, 4]}},
        {"0": {**ENTRY, "more": 1}},
        {"0": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}},
        {"0": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}},
        {},
    ],
    ids=lambda header: json.dumps(header)[:60],
)
def test_headers_that_do_not_account_for_every_byte_are_refused(header):
    text = json.dumps(header).encode()
    block = struct.pack("<Q", len(text)) + text + bytes(8)
    with pytest.raises(DamagedFileError):
        _tensors.read(io.BytesIO(block), len(block), hashlib.sha256())


def test_booleans_are_zero_or_one():
    text = json.dumps({"0": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}).encode()
    block = struct.pack("<Q", len(text)) + text + b"\x02"
    with pytest.raises(DamagedFileError, match="booleans"):
        _tensors.read(io.BytesIO(block), len(block), hashlib.sha256())


def test_archives_that_are_too_large_are_refused(monkeypatch, density, tmp_path):
    monkeypatch.setattr(_archive, "MAX_BYTES", 2**16 + 1000)
    with pytest.raises(FlowkitFileError, match="holds at most 4"):
        save(density, tmp_path / "file")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ people


def test_the_card_says_what_it_is_and_how_good(path, density):
    lines = dict(line.split(": ", 1) for line in model_card(path).splitlines() if line[0] != " ")
    held_out = density.history_["valid_log_density"][density.best_epoch_]
    assert lines["model"] == "flowkit.FlowDensity"
    assert lines["estimator"].startswith("FlowDensity(hidden_units=8")
    assert lines["trained on"].startswith("150 rows of 4 columns (sepal length (cm), sepal width")
    assert lines["held-out rows"] == f"{held_out:.6g} nats a row"
    assert lines["score, test"] == "-1.5"
    assert lines["note"] == "Of flowers."
    assert f"flowkit {flowkit.__version__}" in lines["written by"]


def test_the_rows_of_a_stream_are_counted(density, tmp_path):
    X = load_iris().data
    stream = FlowDensity(n_transforms=1, hidden_units=8, random_state=0)
    for _ in range(3):
        stream.partial_fit(X)
    assert stream.n_samples_seen_ == 450
    assert density.n_samples_seen_ == 150
    save(DensityOutlierDetector(density), tmp_path / "file")
    assert "columns" not in model_card(tmp_path / "file")


def test_a_card_cannot_command_a_terminal(path, tmp_path):
    parts = parts_of(path.read_bytes())
    manifest = json.loads(parts[MANIFEST])
    manifest["card"]["note"] = "\x1b[2J\x07and\nmore"
    path.write_bytes(file_of({**parts, MANIFEST: json.dumps(manifest).encode()}))
    assert "note: ?[2J?and\n    more" in model_card(path)
    for card in ({}, None, [], {**manifest["card"], "scores": {"a": "b"}}):
        manifest["card"] = card
        path.write_bytes(file_of({**parts, MANIFEST: json.dumps(manifest).encode()}))
        with pytest.raises(DamagedFileError, match="no card"):
            model_card(path)
    with pytest.raises(MissingFileError):
        model_card(tmp_path / "none")


# ------------------------------------------------------------------ versions


def written_by(path, **versions):
    """Have other versions written a file."""
    parts = parts_of(path.read_bytes())
    manifest = json.loads(parts[MANIFEST])
    manifest["versions"] |= versions
    path.write_bytes(file_of({**parts, MANIFEST: json.dumps(manifest).encode()}))


@pytest.mark.parametrize("name", ["flowkit", "numpy", "scikit-learn", "torch"])
def test_other_major_versions_are_told_or_refused(path, name):
    written_by(path, **{name: "77.1.0"})
    with pytest.warns(FileVersionWarning, match=f"{name} 77.1.0"):
        load(path)
    with pytest.raises(FileVersionError, match=f"{name} 77.1.0"):
        load(path, strict=True)


def test_minor_versions_are_all_the_same_from_the_first_major_one_on(path, recwarn):
    major = np.__version__.split(".")[0]
    written_by(path, numpy=f"{major}.999.0", python="2.7.0")
    load(path, strict=True)
    assert not recwarn
    written_by(path, flowkit="0.999.0")
    with pytest.warns(FileVersionWarning, match=r"flowkit 0.999.0"):
        load(path)


def test_later_formats_are_refused(path, monkeypatch):
    monkeypatch.setattr(_versions, "FORMAT", 0)
    for read in (load, model_card):
        with pytest.raises(FileVersionError, match=r"format 1.*later version of flowkit"):
            read(path)

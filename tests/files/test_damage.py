"""Files that are damaged, or made to do harm."""

from __future__ import annotations

import json
import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.tree import DecisionTreeClassifier

from flowkit import load, model_card, save
from flowkit.exceptions import DamagedFileError, FlowkitFileError, MissingFileError
from flowkit.files._document import Decoder, Encoder

from .. import processes
from .examples import X, fitted
from .mutations import ENTRIES, MODEL, TENSORS, changed_value, file_of, flipped, mutated, parts_of

# Of many makes, and small.
MUTATED = (
    "affine_coupling",
    "kernel",
    "fractal",
    "rg",
    "phvae",
    "table_cells",
    "transformed_flow",
    "stacked_flow",
    "mixture",
    "flows",
    "own_parts",
    "generator",
    "dependence",
    "ball_tree",
    "pandas_table",
    "polars_table",
)


def saved(name, folder):
    """The bytes of a case that is saved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(fitted(name)[0], folder / name)
    return (folder / name).read_bytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of several makes."""
    folder = tmp_path_factory.mktemp("files")
    return {name: saved(name, folder) for name in MUTATED}


@pytest.fixture
def content(files):
    return files["affine_coupling"]


def outcome(content, path):
    """What loading bytes gives: an estimator, or the error."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model_card(path)
            return load(path)
        except FlowkitFileError as error:
            found = error
    assert str(path) in str(found)
    return found


def survives(files, path, seeds):
    """Load a mutated file for each seed: nothing but an estimator or a `FlowkitFileError`."""
    errors = 0
    for seed in seeds:
        name = MUTATED[seed // 11 % len(MUTATED)]
        found = outcome(mutated(files[name], seed), path)
        assert isinstance(found, BaseEstimator | FlowkitFileError), (name, seed)
        errors += isinstance(found, FlowkitFileError)
    return errors


def test_mutated_files_give_errors_of_files_alone(files, tmp_path):
    assert survives(files, tmp_path / "file", range(400)) > 250


@pytest.mark.slow
def test_very_many_mutated_files(files, tmp_path):
    assert survives(files, tmp_path / "file", range(100_000)) > 60_000


@pytest.mark.parametrize("seed", range(100))
def test_every_flipped_bit_is_seen(content, tmp_path, seed):
    damaged = flipped(content, np.random.default_rng(seed))
    assert damaged == content or isinstance(outcome(damaged, tmp_path / "file"), FlowkitFileError)


def test_every_bit_around_the_entries_is_seen(content, tmp_path):
    parts = parts_of(content)
    inside = sum(len(part) for part in parts.values())
    around = [i for i in range(len(content)) if not _is_inside(i, content, parts)]
    assert len(around) == len(content) - inside
    for place in around:
        damaged = bytearray(content)
        damaged[place] ^= 1
        assert isinstance(outcome(bytes(damaged), tmp_path / "file"), DamagedFileError), place


def _is_inside(place, content, parts):
    starts = {name: content.index(part) for name, part in parts.items()}
    return any(0 <= place - starts[name] < len(parts[name]) for name in parts)


@pytest.mark.parametrize("length", [0, 1, 20, 1000, -100, -1])
def test_every_truncation_is_seen(content, tmp_path, length):
    assert isinstance(outcome(content[:length], tmp_path / "file"), DamagedFileError)


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_of_other_files_are_seen(files, tmp_path, name):
    mixed = {**parts_of(files["rg"]), name: parts_of(files["kernel"])[name]}
    found = outcome(file_of(mixed, honest=False), tmp_path / "file")
    assert isinstance(found, DamagedFileError)


def test_other_files_are_refused_as_such(tmp_path):
    for content in (b"\x80\x04K\x01.", b"", b"text", b"PK\x05\x06" + 18 * b"\0"):
        assert isinstance(outcome(content, tmp_path / "file"), DamagedFileError)
    with pytest.raises(MissingFileError, match="there is no such file"):
        load(tmp_path / "none")
    with pytest.raises(FlowkitFileError):
        load(tmp_path)


# ------------------------------------------------------------------ memory


def load_with_little_memory(paths):
    """Load each file with four times its size of memory, and a little more than that."""
    import resource

    warnings.simplefilter("ignore")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for path in paths:
        limit = used + 4 * path.stat().st_size + 2**27
        resource.setrlimit(resource.RLIMIT_AS, (limit, -1))
        try:
            load(path)
            print("loaded")
        except FlowkitFileError as error:
            text = str(error)
            print("memory" if "alloc" in text or "MemoryError" in text else "refused")


def with_changed_model(content, change):
    """A file whose model is changed, with the right checksums."""
    parts = parts_of(content)
    document = json.loads(parts[MODEL])
    change(document)
    return file_of({**parts, MODEL: json.dumps(document).encode()})


def stating(name, value):
    """A change: a size of the network is another."""

    def change(document):
        for fields in document:
            if fields["is"] == "dict" and name in fields.get("values", {}):
                fields["values"][name] = value

    return change


def header_bomb(content):
    """Arrays that are said to be very long."""
    parts = parts_of(content)
    text = json.dumps({"0": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}})
    block = struct.pack("<Q", len(text)) + text.encode()
    return file_of({**parts, TENSORS: block})


def text_bomb(content):
    """Very many lists, which take far more memory than their text."""
    parts = parts_of(content)
    return file_of({**parts, MODEL: b"[" + 5_000_000 * b"[]," + b"[]]"})


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux")
def test_no_file_takes_much_more_memory_than_its_size(content, tmp_path):
    bombs = [header_bomb(content), text_bomb(content)]
    bombs += [
        with_changed_model(content, stating(name, size))
        for name in ("hidden_units", "n_features", "n_components", "n_transforms")
        for size in (4000, 10**5, 10**9, 10**12)
    ]
    bombs.append(with_changed_model(content, lambda d: d.insert(0, _long_text())))
    paths = []
    for i, bomb in enumerate(bombs):
        paths.append(tmp_path / str(i))
        paths[-1].write_bytes(bomb)
    said = tmp_path / "said.txt"
    processes.start(load_with_little_memory, paths, said=said).join()
    assert said.read_text().split() == len(bombs) * ["refused"]


def _long_text():
    return {"is": "array", "shape": [1], "dtype": "<U1000000000", "texts": ["a"]}


# ------------------------------------------------------------------ what is refused by name


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "flowkit.demo.tour.SECTIONS",
        "flowkit.demo.__main__",
        "flowkit.files._document.Decoder",
        "flowkit.training.net.DensityNet",
        "flowkit.exceptions.FlowkitError",
        "sklearn.tree._tree.Tree",
        "torch.nn.Module.__class__",
        "",
        None,
        ["flowkit.FlowDensity"],
    ],
)
@pytest.mark.parametrize("tag", ["instance", "class", "named_tuple"])
def test_classes_outside_the_list_are_refused_by_name(content, tmp_path, name, tag):
    fields = {"is": tag, "class": name, "state": {}, "items": []}
    found = outcome(with_changed_model(content, lambda d: d.insert(0, fields)), tmp_path / "file")
    assert isinstance(found, FlowkitFileError)
    assert "not among the classes" in str(found)
    assert str(name) in str(found)


@pytest.mark.parametrize(
    ("column", "value"), [("left_child", 0), ("right_child", 10**6), ("feature", 99)]
)
def test_decision_trees_that_lead_astray_are_refused(column, value):
    tree = DecisionTreeClassifier(max_depth=2).fit(X, X[:, 0] > X[:, 0].mean()).tree_
    encoder = Encoder()
    encoder.value(tree)
    twin = Decoder(encoder.arrays, 2**20, None).read(encoder.objects)
    assert twin.node_count == tree.node_count
    columns = next(o["values"] for o in encoder.objects if column in o.get("values", {}))
    place = encoder.objects[columns[column]["ref"]]["array"]
    encoder.arrays[place][0] = value
    with pytest.raises(DamagedFileError, match="tree"):
        Decoder(encoder.arrays, 2**20, None).read(encoder.objects)


def test_a_changed_value_changes_a_value(files):
    content = files["rg"]
    assert (
        parts_of(changed_value(content, np.random.default_rng(0)))[MODEL]
        != parts_of(content)[MODEL]
    )

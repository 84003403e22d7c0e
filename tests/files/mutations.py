"""Files that are wrong in every way that one can think of, made of a right one."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import struct
import zipfile

import numpy as np

from flowkit.files import _archive

MANIFEST, MODEL, TENSORS = "manifest.json", "model.json", "tensors.safetensors"
ENTRIES = (MANIFEST, MODEL, TENSORS)
# What a value may be replaced by.
_VALUES = (
    None,
    True,
    -1,
    0,
    1,
    2,
    7,
    1000,
    5000,
    2**31,
    2**63,
    2**64,
    10**30,
    -0.5,
    1e308,
    "",
    "a",
    "flowkit.FlowDensity",
    "os.system",
    [],
    {},
    [0],
    {"ref": 0},
    {"ref": 1},
    {"ref": 10**6},
    {"ref": -1},
    {"float": "inf"},
)
_TAGS = ("array", "tensor", "instance", "list", "dict", "class", "KDTree", "random_state", "number")


def parts_of(content: bytes) -> dict[str, bytes]:
    """Entries of a file by their names."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in ENTRIES}


def file_of(parts: dict[str, bytes], honest: bool = True) -> bytes:
    """A file of entries; its checksums are right if it is to be honest about them."""
    if honest:
        manifest = json.loads(parts[MANIFEST])
        manifest["sha256"] = {
            name: hashlib.sha256(parts[name]).hexdigest() for name in (MODEL, TENSORS)
        }
        parts = {**parts, MANIFEST: json.dumps(manifest).encode()}
    file = io.BytesIO()
    _archive.write(file, {name: [memoryview(part)] for name, part in parts.items()})
    return file.getvalue()


def flipped(content, rng):
    """One to four bits are others."""
    changed = bytearray(content)
    for place in rng.integers(0, len(content), rng.integers(1, 5)):
        changed[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def overwritten(content, rng):
    """A stretch is random."""
    changed, n = bytearray(content), int(rng.integers(1, 65))
    place = int(rng.integers(0, len(content)))
    changed[place : place + n] = rng.bytes(n)
    return bytes(changed)


def shortened(content, rng):
    """The end is missing, or a stretch within."""
    start, end = sorted(map(int, rng.integers(0, len(content), 2)))
    return content[:start] if rng.integers(0, 2) else content[:start] + content[end:]


def lengthened(content, rng):
    """There is more at the end, or before the beginning."""
    more = rng.bytes(int(rng.integers(1, 100)))
    return content + more if rng.integers(0, 2) else more + content


def swapped(content, rng):
    """Entries have each other's bytes, with the right checksums or not."""
    parts = parts_of(content)
    first, second = rng.permutation(ENTRIES)[:2]
    parts[first], parts[second] = parts[second], parts[first]
    return file_of(parts, honest=False)


def changed_entry(content, rng):
    """Bits of an entry are others, and all checksums are right."""
    parts = parts_of(content)
    name = str(rng.choice((MODEL, TENSORS)))
    change = [flipped, overwritten, shortened, lengthened][rng.integers(0, 4)]
    return file_of({**parts, name: change(parts[name], rng)})


def changed_value(content, rng):
    """One to three values of the model are others, and all checksums are right."""
    parts = parts_of(content)
    document = json.loads(parts[MODEL])
    for _ in range(rng.integers(1, 4)):
        _change(document, rng)
    return file_of({**parts, MODEL: json.dumps(document).encode()})


def changed_manifest(content, rng):
    """A value of the manifest is another."""
    parts = parts_of(content)
    manifest = json.loads(parts[MANIFEST])
    _change(manifest, rng)
    return file_of({**parts, MANIFEST: json.dumps(manifest).encode()}, honest=False)


def changed_header(content, rng):
    """What the arrays are said to be, or how long that is, is another."""
    parts = parts_of(content)
    block = parts[TENSORS]
    length = struct.unpack("<Q", block[:8])[0]
    header = json.loads(block[8 : 8 + length])
    if rng.integers(0, 8):
        name = str(rng.choice(list(header)))
        _change(header[name], rng)
    text = json.dumps(header).encode()
    stated = len(text) if rng.integers(0, 8) else int(rng.choice([0, 2**63, 2**32, length + 8]))
    block = struct.pack("<Q", stated) + text + block[8 + length :]
    return file_of({**parts, TENSORS: block})


def _change(value, rng):
    """Change one value of a nested one, in place: replace it, repeat it or take it away."""
    places = list(_places(value))
    table, key = places[rng.integers(0, len(places))]
    if key == "is" and rng.integers(0, 2):
        table[key] = str(rng.choice(_TAGS))
    elif not rng.integers(0, 8) and isinstance(table, dict):
        del table[key]
    elif not rng.integers(0, 8):
        other, place = places[rng.integers(0, len(places))]
        table[key] = json.loads(json.dumps(other[place]))
    elif type(table[key]) is int and rng.integers(0, 2):
        table[key] += int(rng.integers(-2, 3)) * 10 ** int(rng.integers(0, 10))
    else:
        # Lists and tables of one file must not be those of the next.
        table[key] = copy.deepcopy(_VALUES[rng.integers(0, len(_VALUES))])


def _places(value):
    """Where values are: each table with its keys, each list with its indices."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


MUTATIONS = (
    flipped,
    overwritten,
    shortened,
    lengthened,
    swapped,
    changed_entry,
    changed_value,
    changed_value,
    changed_value,
    changed_manifest,
    changed_header,
)


def mutated(content: bytes, seed: int) -> bytes:
    """A file that is wrong in a way that a seed chooses; now and then it is right after all."""
    rng = np.random.default_rng(seed)
    return MUTATIONS[seed % len(MUTATIONS)](content, rng)

"""Arrays of numbers as one block of bytes, in the format of safetensors.

Eight bytes give the length of a header in JSON, which says of each array where its numbers begin
and end; then the numbers follow, little-endian, row by row, without gaps. See
https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import struct
from typing import BinaryIO

import numpy as np

from ..exceptions import DamagedFileError
from ._json import parse

# Names of the format, in the order in which arrays lie in it: wide numbers first, so that all are
# aligned.
DTYPES = {
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
    "F32": np.dtype("<f4"),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "F16": np.dtype("<f2"),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_ORDER = {name: position for position, name in enumerate(DTYPES)}
_LENGTH = "<Q"
_MAX_DIMENSIONS = 32


def is_storable(dtype: np.dtype) -> bool:
    """Whether numbers of a dtype can be stored."""
    return dtype.newbyteorder("<") in _NAMES


def pieces(arrays: list[np.ndarray]) -> list[memoryview]:
    """The block of bytes that holds arrays, in pieces.

    Parameters
    ----------
    arrays : list of ndarray
        Of dtypes that are storable; an array is named by its position.

    Returns
    -------
    list of memoryview of bytes
        The pieces, one after the other.
    """
    rows = [np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(a.shape) for a in arrays]
    order = sorted(range(len(rows)), key=lambda i: _ORDER[_NAMES[rows[i].dtype]])
    header, position = {}, 0
    for i in order:
        end = position + rows[i].nbytes
        header[str(i)] = {
            "dtype": _NAMES[rows[i].dtype],
            "shape": list(rows[i].shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    first = memoryview(struct.pack(_LENGTH, len(text)) + text)
    return [first, *(memoryview(rows[i].reshape(-1).view(np.uint8)) for i in order)]


def read(file: BinaryIO, size: int, hasher) -> list[np.ndarray]:
    """The arrays of a block of bytes.

    Parameters
    ----------
    file : binary file
        Where the block begins.
    size : int
        Number of bytes of the block, which the file has.
    hasher : object
        Gets all bytes of the block by its `update`.

    Returns
    -------
    list of ndarray
        The arrays, each with memory of its own.

    Raises
    ------
    DamagedFileError
        If the header does not account for every byte of the block.
    """
    prefix = file.read(8)
    length = struct.unpack(_LENGTH, prefix)[0] if len(prefix) == 8 <= size else size
    if length > size - 8:
        raise DamagedFileError("the header of its arrays is longer than what holds it.")
    text = file.read(length)
    hasher.update(prefix)
    hasher.update(text)
    header = parse(text, "the header of its arrays", size)
    entries = _checked(header, size - 8 - length)
    arrays: list = [None] * len(entries)
    for i, dtype, shape in entries:
        array = np.empty(shape, dtype)
        content = array.reshape(-1).view(np.uint8)
        if array.nbytes and file.readinto(memoryview(content)) != array.nbytes:
            raise DamagedFileError("it ends within its arrays.")
        hasher.update(content)
        if dtype == np.bool_ and content.size and content.max() > 1:
            raise DamagedFileError("an array of booleans holds other values than 0 and 1.")
        arrays[i] = array
    return arrays


def _checked(header, n_bytes):
    """Name, dtype and shape of each array, in the order of their bytes, which leave no gaps."""
    if not isinstance(header, dict):
        raise DamagedFileError("the header of its arrays is no table.")
    entries, position = [], 0
    names = {str(i): i for i in range(len(header))}
    for name, entry in header.items():
        if name not in names or not isinstance(entry, dict) or len(entry) != 3:
            raise DamagedFileError(f"the header of its arrays holds {name[:40]!r}.")
        dtype, shape = DTYPES.get(str(entry.get("dtype"))), entry.get("shape")
        if dtype is None or not _is_shape(shape):
            raise DamagedFileError(f"array {name} has a dtype or a shape that no array has.")
        count = 1
        for length in shape:
            count *= length
        end = position + count * dtype.itemsize
        if entry.get("data_offsets") != [position, end] or end > n_bytes:
            raise DamagedFileError(f"array {name} is not where its shape and dtype put it.")
        entries.append((names[name], dtype, tuple(shape)))
        position = end
    if position != n_bytes:
        raise DamagedFileError(f"{n_bytes - position} bytes belong to no array.")
    return entries


def _is_shape(shape) -> bool:
    return (
        isinstance(shape, list)
        and len(shape) <= _MAX_DIMENSIONS
        and all(type(length) is int and 0 <= length < 2**63 for length in shape)
    )

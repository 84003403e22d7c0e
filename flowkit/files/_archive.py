"""A zip archive of entries that are stored as they are, read only if it is byte for byte ours.

Any tool for zip files opens it. Reading takes nothing on trust: the names of the entries, their
order and every byte around them are those that `write` gives, so that a change of any bit is seen.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ..exceptions import DamagedFileError, FlowkitFileError

# What the format writes in four bytes; larger archives need an extension that few readers know.
MAX_BYTES = 2**32 - 1
_LOCAL, _CENTRAL, _END = "<4s5H3L2H", "<4s6H3L5H2L", "<4s4H2LH"
_LOCAL_SIZE = struct.calcsize(_LOCAL)
# Version 2.0 of the format, no flags, no compression, 1 January 1980.
_COMMON = (20, 0, 0, 0, 33)


@dataclass(frozen=True)
class Entry:
    """One entry of an archive.

    Parameters
    ----------
    name : str
        Its name, in ASCII.
    checksum : int
        CRC-32 of its bytes.
    size : int
        Number of its bytes.
    start : int
        Where they begin in the archive.
    """

    name: str
    checksum: int
    size: int
    start: int

    @property
    def header(self) -> bytes:
        """What stands before the bytes of the entry."""
        name = self.name.encode()
        sizes = self.checksum, self.size, self.size
        return struct.pack(_LOCAL, b"PK\x03\x04", *_COMMON, *sizes, len(name), 0) + name

    @property
    def record(self) -> bytes:
        """What the table of contents says of the entry."""
        name = self.name.encode()
        position = self.start - len(self.header)
        sizes = self.checksum, self.size, self.size, len(name)
        fields = (20, *_COMMON, *sizes, 0, 0, 0, 0, 0, position)
        return struct.pack(_CENTRAL, b"PK\x01\x02", *fields) + name


def _contents(entries: Sequence[Entry]) -> bytes:
    """The table of contents, with which an archive ends."""
    table = b"".join(entry.record for entry in entries)
    start = entries[-1].start + entries[-1].size
    counts = 0, 0, len(entries), len(entries), len(table), start, 0
    return table + struct.pack(_END, b"PK\x05\x06", *counts)


def write(file: BinaryIO, parts: dict[str, Sequence[memoryview]]) -> None:
    """Write an archive.

    Parameters
    ----------
    file : binary file
        Where to, from its beginning.
    parts : dict of sequences of memoryview of bytes
        By its name, the bytes of each entry, in pieces.

    Raises
    ------
    FlowkitFileError
        If the archive would have more than 4 GiB.
    """
    entries, position = [], 0
    for name, pieces in parts.items():
        checksum, size = 0, 0
        for piece in pieces:
            checksum, size = zlib.crc32(piece, checksum), size + piece.nbytes
        position += _LOCAL_SIZE + len(name)
        entries.append(Entry(name, checksum, size, position))
        position += size
    if position > MAX_BYTES - 2**16:
        raise FlowkitFileError(
            f"the estimator holds {position / 2**30:.1f} GiB, and a file holds at most 4. Train it "
            "on fewer rows if it keeps them, or use pickle."
        )
    for entry, pieces in zip(entries, parts.values(), strict=True):
        file.write(entry.header)
        for piece in pieces:
            file.write(piece)
    file.write(_contents(entries))


def find(file: BinaryIO, name: str, n_bytes: int, before: Entry | None = None) -> Entry:
    """The entry of a name, which comes first or after another one.

    Parameters
    ----------
    file : binary file
        The archive, of which no entry is read.
    name : str
        The name that it must have there.
    n_bytes : int
        Size of the archive.
    before : Entry, default=None
        The entry before it.

    Returns
    -------
    Entry
        The entry.

    Raises
    ------
    DamagedFileError
        If it is not there.
    """
    position = 0 if before is None else before.start + before.size
    file.seek(position)
    header = file.read(_LOCAL_SIZE + len(name))
    if not header.startswith(b"PK") and before is None:
        raise DamagedFileError("flowkit.save did not write it.")
    if len(header) < _LOCAL_SIZE + len(name):
        raise DamagedFileError("it ends too early.")
    checksum, size = struct.unpack(_LOCAL, header[:_LOCAL_SIZE])[6:8]
    entry = Entry(name, checksum, size, position + len(header))
    if header != entry.header or entry.start + size > n_bytes:
        raise DamagedFileError(f"its entry {name!r} is not where flowkit.save writes it.")
    return entry


def check_contents(file: BinaryIO, entries: Sequence[Entry], n_bytes: int) -> None:
    """Refuse an archive that has more, or less, than these entries.

    Raises
    ------
    DamagedFileError
        If the table of contents, which is the rest of the archive, does not list just these.
    """
    contents = _contents(entries)
    position = entries[-1].start + entries[-1].size
    file.seek(position)
    if n_bytes != position + len(contents) or file.read(len(contents)) != contents:
        raise DamagedFileError("its table of contents does not agree with its entries.")


def read(file: BinaryIO, entry: Entry) -> bytes:
    """The bytes of an entry.

    Raises
    ------
    DamagedFileError
        If they are not those that were written.
    """
    file.seek(entry.start)
    content = file.read(entry.size)
    if zlib.crc32(content) != entry.checksum:
        raise DamagedFileError(f"its entry {entry.name!r} has another checksum than was written.")
    return content

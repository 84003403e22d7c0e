"""Files that are replaced at once, so that a crash leaves the old or the new one, whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from .exceptions import FlowkitFileError


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Write a file beside another one, and put it in its place when it is complete.

    Parameters
    ----------
    path : str
        The file to replace, or a new one; a link stays a link.

    Yields
    ------
    binary file
        Where to write. Whatever ends the block early leaves the old file as it was.

    Raises
    ------
    FlowkitFileError
        If there is a device, a pipe or a socket at this path.
    """
    path = os.path.realpath(path)
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        # Renaming over a device or a pipe would put a file in its place.
        raise FlowkitFileError(f"{path!r} is no regular file: give another path.")
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            os.chmod(temporary, os.stat(path).st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.remove(temporary)
        raise
    _store_names(folder)


def _store_names(folder):
    """Have the new name on the disk too, where folders can be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""Files that are replaced at once, so that a crash leaves the old or the new one, whole."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from .exceptions import FlowkitFileError, MissingFileError


def check_place(path: str) -> None:
    """Refuse a path that no file can be put at, before the work whose result goes there.

    Parameters
    ----------
    path : str
        As for `replacing`.

    Raises
    ------
    MissingFileError
        If its folder does not exist.
    FlowkitFileError
        If it is a folder, a device, a pipe or a socket, or nothing may be written beside it.
    """
    place = os.path.realpath(path)
    folder = os.path.dirname(place)
    if not os.path.isdir(folder):
        raise MissingFileError(
            f"{path!r} cannot be written: there is no folder {folder!r}. Make it, or give another "
            "path."
        )
    if os.path.isdir(place):
        raise FlowkitFileError(f"{path!r} is a folder: give the path of a file.")
    _refuse_devices(place)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FlowkitFileError(
            f"{path!r} cannot be written: the folder {folder!r} takes no new files. Give another "
            "path."
        )


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
    _refuse_devices(path)
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


def _refuse_devices(path):
    # Renaming over a device or a pipe would put a file in its place.
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise FlowkitFileError(f"{path!r} is no regular file: give another path.")


def _store_names(folder):
    """Have the new name on the disk too, where folders can be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

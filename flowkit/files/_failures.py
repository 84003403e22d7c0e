"""Everything that goes wrong with a file, as errors that name the file."""

from __future__ import annotations

import os
from contextlib import contextmanager

from ..exceptions import (
    DamagedFileError,
    FlowkitFileError,
    InvalidParameterError,
    MissingDependencyError,
    MissingFileError,
)


@contextmanager
def about(action: str, path):
    """Make a `FlowkitFileError` that names the file of whatever goes wrong.

    Parameters
    ----------
    action : {'save', 'load', 'read'}
        What is done with it.
    path : str or path-like
        The file.

    Yields
    ------
    str
        Its name.

    Raises
    ------
    InvalidParameterError
        If `path` is no name of a file.
    """
    name = _name_of(path)
    start = f"cannot {action} {name!r}: "
    try:
        yield name
    except MissingDependencyError:
        raise
    except FlowkitFileError as error:
        raise type(error)(start + str(error)) from error.__cause__
    except FileNotFoundError as error:
        missing = "its folder does not exist" if action == "save" else "there is no such file"
        raise MissingFileError(f"{start}{missing}.") from error
    except OSError as error:
        raise FlowkitFileError(f"{start}{error.strerror or error}.") from error
    except Exception as error:
        if action == "save":
            raise
        # What a file holds may be wrong in more ways than can be listed.
        what = f"{type(error).__name__}: {str(error)[:200]}"
        raise DamagedFileError(f"{start}what it holds makes no estimator ({what}).") from error


def _name_of(path) -> str:
    try:
        name = os.fsdecode(path)
    except TypeError:
        kind = type(path).__name__
        raise InvalidParameterError(
            f"path must be a str or path-like, the name of a file, got an object of type {kind}."
        ) from None
    if "\0" in name:
        raise InvalidParameterError(f"path holds a null character, which no file may: {name!r}.")
    return name

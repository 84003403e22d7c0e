"""Rows of a stream, stored in a file without a name, so that training can read them at will."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np

from ..exceptions import InvalidDataError, InvalidFileError
from ..validation import row_blocks
from .chunks import chunks_of


class StoredRows(np.memmap):
    """Valid rows in a temporary file, which goes when the last array on it does."""


def store_rows(X, validate: Callable) -> StoredRows:
    """Write the rows of a stream into a temporary file.

    Each value is kept as it is, in the narrowest type of number that all chunks fit in.

    Parameters
    ----------
    X : Chunks or stream
        The rows.
    validate : callable
        ``validate(chunk, is_first)`` returns the rows of a chunk as an array of floats.

    Returns
    -------
    StoredRows of shape (n, n_features)
        The rows, in memory only where they are looked at; not to be written to.

    Raises
    ------
    InvalidDataError
        If there are no rows.
    InvalidFileError
        If there is no room for them.
    """
    try:
        file, shape, dtype = _written(chunks_of(X), validate)
        file.flush()
    except OSError as error:
        if isinstance(error, InvalidFileError):
            raise
        raise InvalidFileError(
            f"the rows of X could not be read, or not be stored in {tempfile.gettempdir()!r} "
            f"({error}). A fit to chunks needs room there for all rows: name another folder in the "
            "environment variable TMPDIR."
        ) from error
    if not shape[0]:
        raise InvalidDataError(
            "X gave no rows: minimum of 2 is required. A generator that was read before gives "
            "nothing any more: give a new one."
        )
    return StoredRows(file, dtype=dtype, mode="r", shape=shape)


def _new_file():
    # It lives as long as what is mapped of it.
    return tempfile.TemporaryFile()


def _written(chunks, validate):
    file, n, width, dtype = _new_file(), 0, 0, None
    for chunk in chunks:
        rows = _narrowed(validate(chunk, not n), getattr(chunk, "dtype", None))
        wider = rows.dtype if dtype is None else np.result_type(dtype, rows.dtype)
        if dtype is not None and wider != dtype:
            file = _widened(file, (n, width), dtype, wider)
        dtype, width = wider, rows.shape[1]
        file.write(np.ascontiguousarray(rows, dtype=dtype))
        n += len(rows)
    return file, (n, width), dtype


def _narrowed(rows, given):
    """Rows in the type of their chunk, where that is narrower than that of valid rows."""
    if given is None or np.dtype(given).kind not in "iu" or np.dtype(given).itemsize > 4:
        return rows
    return rows.astype(given)


def _widened(file, shape, dtype, wider):
    """A file of another type of numbers."""
    file.flush()
    rows, other = np.memmap(file, dtype=dtype, mode="r", shape=shape), _new_file()
    for block in row_blocks(len(rows)):
        other.write(rows[block].astype(wider))
    return other

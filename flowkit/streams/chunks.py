"""Rows in chunks, wherever they come from: arrays, generators, Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from sklearn.utils import _safe_indexing

from .._optional import require
from ..exceptions import InvalidDataError, InvalidParameterError, MissingFileError
from ..validation import BLOCK_ROWS, container_of, is_frame, row_blocks

# What holds rows that are there at once has one of these, and what gives them in chunks none.
_OF_ROWS = ("__len__", "__array__", "__array_interface__", "shape")
_OF_CHUNKS = ("__iter__", "iter_batches", "to_batches")


class Chunks:
    """Rows that are read chunk by chunk.

    Chunks of Parquet are DataFrames of pandas, as `pandas.read_parquet` gives them, so that
    columns keep their names and types; others stay arrays or DataFrames as they come. A path takes
    least memory: it is read without the buffers that objects of pyarrow may keep of what they read.

    Parameters
    ----------
    source : path, object of pyarrow, array, DataFrame, iterable or callable
        Where rows come from: a Parquet file, or a folder of them; a `pyarrow.dataset.Dataset`,
        `pyarrow.parquet.ParquetFile` or `pyarrow.RecordBatchReader`; an array, such as a
        `numpy.memmap`, or a DataFrame, in slices; an iterable of arrays or DataFrames; or a
        function without parameters that returns any of these, for a generator that is to be read
        again.
    columns : list of str or None, default=None
        Columns to read of Parquet and of DataFrames; None for all.
    chunk_rows : int, default=65536
        Largest number of rows in a chunk of Parquet, of an array or of a DataFrame; iterables say
        themselves how many rows their chunks have.

    Raises
    ------
    InvalidParameterError
        If `source` is none of these, or another parameter is not as above.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit import Chunks
    >>> [chunk.shape for chunk in Chunks(np.zeros((5, 2)), chunk_rows=2)]
    [(2, 2), (2, 2), (1, 2)]
    """

    def __init__(self, source, *, columns=None, chunk_rows: int = BLOCK_ROWS):
        is_path = isinstance(source, str | os.PathLike)
        known = (*_OF_CHUNKS, "shape")
        if isinstance(source, bytes | dict) or not (
            is_path or callable(source) or any(hasattr(source, name) for name in known)
        ):
            raise InvalidParameterError(
                f"source must be a path to Parquet, an object of pyarrow, an array, a DataFrame, "
                f"an iterable of these or a function that returns one, got {source!r}."
            )
        if not isinstance(chunk_rows, int | np.integer) or chunk_rows < 1:
            raise InvalidParameterError(f"chunk_rows must be an int from 1 on, got {chunk_rows!r}.")
        if isinstance(columns, str):
            raise InvalidParameterError(
                f"columns must be a list of names or None, got {columns!r}: give [{columns!r}]."
            )
        self.source, self.columns, self.chunk_rows = source, columns, int(chunk_rows)
        self._is_spent = False

    def __iter__(self) -> Iterator:
        """Chunks in order, of at least one row each.

        Raises
        ------
        InvalidDataError
            If a chunk holds no rows of columns, or chunks come from a generator for a second time.
        MissingFileError
            If there is no file at the path.
        MissingDependencyError
            If there are no packages to read Parquet with.
        """
        if self._is_spent:
            raise InvalidDataError(
                "these chunks came from a generator, which gives them once only, and they have "
                "been read: give a function that returns a new generator, as in "
                "Chunks(lambda: chunks()), a list of chunks, or a path."
            )
        source = self.source
        if callable(source):
            source = source()
        self._is_spent = source is self.source and hasattr(source, "__next__")
        for i, chunk in enumerate(_items_of(source, self.columns, self.chunk_rows)):
            rows = _as_rows(chunk, i)
            if container_of(rows).shape[0]:
                yield _selected(rows, self.columns)


def is_stream(X) -> bool:
    """Whether X gives rows in chunks, and does not hold them at once.

    Parameters
    ----------
    X : object
        What a user gave for rows.
    """
    if isinstance(X, Chunks):
        return True
    gives_chunks = any(hasattr(X, name) for name in _OF_CHUNKS)
    return gives_chunks and not any(hasattr(X, name) for name in _OF_ROWS)


def refuse_streams(X, estimator) -> None:
    """Refuse chunks and paths where rows are needed, and say what takes them.

    Parameters
    ----------
    X : object
        What a user gave for rows.
    estimator : estimator
        What they are for.

    Raises
    ------
    InvalidDataError
        If X is a stream, or the path of a file.
    """
    name = type(estimator).__name__
    ways = f"fit {name}, which has no partial_fit, to an array or DataFrame of some of the rows"
    if hasattr(estimator, "partial_fit"):
        ways = "to train, give the chunks to partial_fit, one by one"
    ways += "; to score them, give them to flowkit.score_chunks, with the name of the method."
    if isinstance(X, str | os.PathLike):
        raise InvalidDataError(
            f"Expected rows, got the text {os.fspath(X)!r}. If it is the path of a Parquet file, "
            "flowkit.Chunks(path) has its rows, and fit of a density of real numbers takes it. "
            f"Otherwise, {ways}"
        )
    if is_stream(X):
        raise InvalidDataError(
            f"X, of type {type(X).__name__}, gives rows in chunks, and this method of {name} takes "
            f"rows that are there at once: {ways}"
        )


def chunks_of(X) -> Chunks:
    """Chunks of anything that has rows."""
    return X if isinstance(X, Chunks) else Chunks(X)


def in_blocks(chunks: Chunks, n_rows: int) -> Iterator:
    """The rows of chunks, joined and cut into blocks of `n_rows` rows but the last.

    Parameters
    ----------
    chunks : Chunks
        The chunks.
    n_rows : int
        Rows of a block.

    Yields
    ------
    ndarray, sparse matrix or DataFrame
        A block, in the container of the chunks.

    Raises
    ------
    InvalidDataError
        If chunks are of several containers.
    """
    kept, n_kept, first = [], 0, None
    for chunk in chunks:
        container = container_of(chunk)
        first = first or container.name
        if container.name != first:
            raise InvalidDataError(
                f"a chunk is of the container {container.name!r}, the first one was of {first!r}: "
                "give chunks of one kind."
            )
        kept.append(chunk)
        n_kept += container.shape[0]
        if n_kept < n_rows:
            continue
        rows = _joined(kept)
        full = n_kept - n_kept % n_rows
        for block in row_blocks(full, n_rows):
            yield _safe_indexing(rows, block)
        n_kept -= full
        kept = [_safe_indexing(rows, slice(full, full + n_kept))] if n_kept else []
    if kept:
        yield _joined(kept)


def _joined(parts):
    """Rows below each other; in pairs, as each join copies all that is in it."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts) if len(parts) > 1 else parts[0]
    while len(parts) > 1:
        pairs = zip(parts[::2], parts[1::2], strict=False)
        left = [parts[-1]] if len(parts) % 2 else []
        parts = [container_of(one).join(other) for one, other in pairs] + left
    return parts[0]


def _items_of(source, columns, n_rows):
    """Chunks of a source, as they come."""
    if isinstance(source, str | os.PathLike):
        yield from _of_path(os.fspath(source), columns, n_rows)
    elif hasattr(source, "iter_batches"):
        yield from source.iter_batches(batch_size=n_rows, columns=columns)
    elif hasattr(source, "to_batches") and hasattr(source, "count_rows"):
        # Read ahead, datasets would hold many chunks.
        options = {"batch_readahead": 1, "fragment_readahead": 1}
        yield from source.to_batches(batch_size=n_rows, columns=columns, **options)
    elif hasattr(source, "shape"):
        for block in row_blocks(source.shape[0], n_rows):
            yield _safe_indexing(source, block)
    else:
        yield from source


def _of_path(path, columns, n_rows):
    """Chunks of a Parquet file, or of those in a folder in the order of their names."""
    use, instead = "reading Parquet", "give arrays"
    parquet = require("pyarrow.parquet", use, instead)
    if not os.path.exists(path):
        raise MissingFileError(f"there is no Parquet file or folder at {path!r}: check the path.")
    paths = [path]
    if os.path.isdir(path):
        # Pieces of a folder that pyarrow itself would read.
        dataset = require("pyarrow.dataset", use, instead)
        paths = sorted(dataset.dataset(path, format="parquet").files)
    for file in paths:
        # Buffers would keep all of the file that was read.
        with parquet.ParquetFile(file, pre_buffer=False) as source:
            yield from source.iter_batches(batch_size=n_rows, columns=columns)


def _as_rows(chunk, i):
    """A chunk as an array or a table whose container is known."""
    if hasattr(chunk, "to_pandas") and hasattr(chunk, "column_names"):
        require("pandas", "reading Parquet", "give arrays")
        return chunk.to_pandas()
    container = container_of(chunk)
    rows = chunk if container.is_frame or container.is_sparse else np.asarray(chunk)
    if len(rows.shape) < 2:
        raise InvalidDataError(
            f"chunk {i} has shape {tuple(rows.shape)}: each chunk must hold rows, of shape "
            "(n_rows, n_features). For a single array give the array itself."
        )
    return rows


def _selected(rows, columns):
    """Those columns of a chunk that were asked for."""
    if columns is None:
        return rows
    if not is_frame(rows):
        raise InvalidParameterError(
            f"columns={columns!r} needs chunks whose columns have names, such as those of Parquet: "
            "set columns=None, or take these columns of the arrays."
        )
    absent = [name for name in columns if name not in container_of(rows).labels]
    if absent:
        raise InvalidParameterError(
            f"columns holds {absent!r}, which chunks lack: their columns are "
            f"{container_of(rows).labels!r}."
        )
    return rows[list(columns)]

"""What a fitted estimator says of each row, block by block, into memory or into a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import numpy as np

from .._optional import require
from .._replacing import replacing
from ..exceptions import FlowkitError, InvalidDataError, InvalidFileError, InvalidParameterError
from ..validation import BLOCK_ROWS
from .chunks import chunks_of, in_blocks

# Bytes of the header of a .npy file, which has room for any number of rows.
_HEADER = 128


def score_chunks(estimator, chunks, out=None, *, method="score_samples", block_rows=BLOCK_ROWS):
    """Score rows that are too many for memory.

    Rows are scored in blocks of one size, whatever their chunks are. With the default one,
    `score_samples` of `FlowDensity` and its like gives bit for bit what it gives for all rows at
    once; others may differ in the last digits.

    Parameters
    ----------
    estimator : estimator
        Fitted: a density, a detector, or any other estimator of scikit-learn's.
    chunks : Chunks, array, DataFrame, iterable of these, or object of pyarrow
        The rows: anything that `Chunks` takes but paths, which are given as ``Chunks(path)``.
    out : ndarray, path or None, default=None
        Where scores go: an array to write to, such as a `numpy.memmap`, of as many rows; a file
        that ends in '.npy', for ``numpy.load(out, mmap_mode='r')``, or in '.parquet', with a column
        `method`, or columns ``{method}_0``, ``{method}_1`` and so on where each row gets several
        numbers. A file is replaced in one step when all rows are scored. None returns an array.
    method : str, default='score_samples'
        Method of the estimator, which takes rows and returns one row of numbers for each, such as
        'transform', 'decision_function', 'predict' or 'p_values'.
    block_rows : int, default=65536
        Rows that are scored at once.

    Returns
    -------
    ndarray or path
        `out`, or the scores where it is None.

    Raises
    ------
    InvalidParameterError
        If there is no such method, or `out` has another form than the scores.
    InvalidDataError
        If there are no rows, or the estimator refuses them.
    InvalidFileError
        If the file cannot be written; what it held before is whole then.

    Examples
    --------
    >>> import numpy as np
    >>> from flowkit import Chunks, FlowDensity, score_chunks
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> density = FlowDensity(max_epochs=2, random_state=0).fit(X)
    >>> scores = score_chunks(density, Chunks(X, chunk_rows=70))
    >>> np.array_equal(scores, density.score_samples(X))
    True
    """
    score = getattr(estimator, method, None)
    if not callable(score):
        raise InvalidParameterError(f"{type(estimator).__name__} has no method {method!r}.")
    if not isinstance(block_rows, int | np.integer) or block_rows < 1:
        raise InvalidParameterError(f"block_rows must be an int from 1 on, got {block_rows!r}.")
    if isinstance(chunks, str | os.PathLike):
        raise InvalidParameterError(
            f"chunks is the text {os.fspath(chunks)!r}: for the rows of a Parquet file give "
            f"flowkit.Chunks({os.fspath(chunks)!r})."
        )
    blocks = _scored(score, method, chunks_of(chunks), int(block_rows))
    if out is None:
        return np.concatenate(list(blocks))
    if isinstance(out, str | os.PathLike):
        _write(os.fspath(out), blocks, method)
    elif isinstance(out, np.ndarray):
        _fill(out, blocks)
    else:
        raise InvalidParameterError(f"out must be an array, a path or None, got {out!r}.")
    return out


def _scored(score, method, chunks, n_rows) -> Iterator[np.ndarray]:
    """Scores of block after block."""
    like = None
    for block in in_blocks(chunks, n_rows):
        scores = np.asarray(score(block))
        if scores.ndim not in (1, 2) or scores.dtype.kind not in "biuf":
            raise InvalidParameterError(
                f"method={method!r} must return one row of numbers for each row, got values of "
                f"type {scores.dtype} and shape {scores.shape}: choose another method."
            )
        like = scores if like is None else like
        yield scores.astype(like.dtype, copy=False)
    if like is None:
        raise InvalidDataError(
            "there are no rows to score. A generator that was read before gives nothing any more: "
            "give a new one."
        )


def _fill(out, blocks):
    """Put scores into an array."""
    n = 0
    for scores in blocks:
        part = out[n : n + len(scores)]
        if part.shape != scores.shape or not np.can_cast(scores.dtype, out.dtype, "same_kind"):
            raise InvalidParameterError(
                f"out is of shape {out.shape} and type {out.dtype}, but there are scores of shape "
                f"{scores.shape} and type {scores.dtype} for rows {n} to {n + len(scores) - 1}: "
                "give an array that holds those of all rows."
            )
        part[...] = scores
        n += len(scores)
    if n != len(out):
        raise InvalidParameterError(
            f"out has {len(out)} rows, but there are scores of {n}: give an array of as many rows."
        )


def _write(path, blocks, method):
    """Put scores into a file, whole or not at all."""
    kind = os.path.splitext(path)[1]
    if kind not in _WRITERS:
        raise InvalidParameterError(
            f"out={path!r} must end in one of {', '.join(_WRITERS)}, as that says what is written."
        )
    try:
        with replacing(path) as file:
            _WRITERS[kind](file, blocks, method)
    except FlowkitError:
        raise
    except OSError as error:
        raise InvalidFileError(
            f"out={path!r} cannot be written, or rows cannot be read ({error}). Give a file in a "
            "folder that exists, may be written to and has room. What it held before is whole."
        ) from error


def _write_npy(file, blocks, method):
    n, shape, dtype = 0, None, None
    # Room for the header, which says how many rows follow.
    file.write(bytes(_HEADER))
    for scores in blocks:
        n, shape, dtype = n + len(scores), scores.shape[1:], scores.dtype
        file.write(np.ascontiguousarray(scores))
    file.seek(0)
    sizes = "".join(f"{size}, " for size in (n, *shape))
    about = f"{{'descr': {json.dumps(dtype.str)}, 'fortran_order': False, 'shape': ({sizes})}}"
    start = np.lib.format.magic(1, 0) + (_HEADER - 10).to_bytes(2, "little")
    file.write(start + about.ljust(_HEADER - 11).encode("latin1") + b"\n")


def _write_parquet(file, blocks, method):
    pyarrow = require("pyarrow", "writing Parquet", "give out a path that ends in .npy")
    parquet = require("pyarrow.parquet", "writing Parquet")
    writer = None
    try:
        for scores in blocks:
            names, columns = [method], [scores]
            if scores.ndim > 1:
                names, columns = [f"{method}_{j}" for j in range(scores.shape[1])], scores.T
            table = pyarrow.table(dict(zip(names, map(np.ascontiguousarray, columns), strict=True)))
            writer = writer or parquet.ParquetWriter(file, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


# By the end of the name of a file.
_WRITERS = {".npy": _write_npy, ".parquet": _write_parquet}

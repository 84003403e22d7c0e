"""Sources of rows that these tests share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

NAMES = ["a", "b", "c"]


def frame_of(X):
    return pd.DataFrame(X, columns=NAMES)


def parquet(X, folder):
    """A file of the rows, in row groups that no chunk fits into."""
    path = folder / "rows.parquet"
    pyarrow.parquet.write_table(
        pa.table(dict(zip(NAMES, X.T, strict=True))), path, row_group_size=30
    )
    return path


def pieces(X, folder):
    """A folder of two files with the rows in order."""
    folder = folder / "pieces"
    folder.mkdir()
    for name, rows in (("1", X[:50]), ("2", X[50:])):
        table = pa.table(dict(zip(NAMES, rows.T, strict=True)))
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet")
    return folder


def memmap(X, folder):
    np.save(folder / "rows.npy", X)
    return np.load(folder / "rows.npy", mmap_mode="r")


def parts(X):
    return [X[:1], X[1:40], X[40:40], X[40:]]


def reader(X, folder):
    return pyarrow.dataset.dataset(parquet(X, folder)).scanner(batch_size=20).to_reader()


# What gives the rows of an array, in a folder that is there for it.
SOURCES = {
    "array": lambda X, folder: X,
    "memmap": memmap,
    "list of arrays": lambda X, folder: parts(X),
    "generator": lambda X, folder: (part for part in parts(X)),
    "function": lambda X, folder: lambda: iter(parts(X)),
    "pandas": lambda X, folder: frame_of(X),
    "polars": lambda X, folder: pl.DataFrame(X, schema=NAMES),
    "generator of frames": lambda X, folder: (frame_of(part) for part in parts(X)),
    "path": parquet,
    "text": lambda X, folder: str(parquet(X, folder)),
    "folder": pieces,
    "dataset": lambda X, folder: pyarrow.dataset.dataset(parquet(X, folder)),
    "file": lambda X, folder: pyarrow.parquet.ParquetFile(parquet(X, folder)),
    "reader": reader,
}
every_source = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


def rows(n=101, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(dtype)

"""Every container of rows does what the base class says; no other module tells them apart."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

import flowkit
from flowkit.validation import (
    Container,
    as_floats,
    container_of,
    distinct_values,
    is_frame,
    is_sparse,
    missing_in,
    pick,
    stacked,
)

VALUES = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
ROWS = {
    "array": VALUES,
    "pandas": pd.DataFrame(VALUES, columns=["a", "b"], index=["x", "y", "z"]),
    "polars": pl.DataFrame({"a": VALUES[:, 0], "b": VALUES[:, 1]}),
}
every = pytest.mark.parametrize("name", ROWS)


def as_array(X):
    return X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)


def test_every_container_is_here():
    names = {Container.name, *(kind.name for kind in Container.__subclasses__())}
    assert names == {*ROWS, "sparse"}


@every
def test_a_container_is_recognised_and_tells_its_shape(name):
    container = container_of(ROWS[name])
    assert container.name == name
    assert container.shape == (3, 2)
    assert container.is_frame == is_frame(ROWS[name]) == (name != "array")
    assert container.labels == (None if name == "array" else ["a", "b"])
    assert list(container.row_labels) == (["x", "y", "z"] if name == "pandas" else [0, 1, 2])
    assert not is_sparse(ROWS[name])


@every
def test_columns_are_read_one_by_one(name):
    container = container_of(ROWS[name])
    assert_array_equal(
        np.column_stack([as_array(column) for column in container.columns()]), VALUES
    )
    assert_array_equal(np.column_stack(container.objects()), VALUES)
    assert_array_equal(as_array(container.column(1)), VALUES[:, 1])
    assert not list(container.columns_of_other_types())


@every
def test_other_rows_come_in_the_same_container(name):
    other = container_of(ROWS[name]).like(2 * VALUES)
    assert type(other) is type(ROWS[name])
    assert container_of(other).labels == container_of(ROWS[name]).labels
    assert_array_equal(as_array(other), 2 * VALUES)


@every
def test_rows_are_taken_with_other_columns(name):
    container = container_of(ROWS[name])
    taken = container.take(np.array([2, 0, 0, 1]), {1: np.array([7.5, 8.5, 9.5, 0.5])})
    assert type(taken) is type(ROWS[name])
    assert_array_equal(as_array(taken), [[3, 7.5], [1, 8.5], [1, 9.5], [2, 0.5]])
    each = container.take(np.array([[2, 0], [0, 1]]), {})
    assert_array_equal(as_array(each), [[3, 10], [1, 20]])
    assert_array_equal(as_array(ROWS[name]), VALUES)


@every
def test_columns_are_blanked_in_a_copy(name):
    without = container_of(ROWS[name]).without([1])
    column = container_of(without).objects()[1]
    assert all(value is None or np.isnan(value) for value in column)
    assert_array_equal(as_array(container_of(without).column(0)), VALUES[:, 0])
    assert_array_equal(as_array(ROWS[name]), VALUES)


@every
def test_rows_are_joined_below_others(name):
    rows = ROWS[name]
    joined = container_of(rows).join(rows)
    assert container_of(joined).name == name
    assert_array_equal(as_array(joined), np.vstack([VALUES, VALUES]))
    assert list(container_of(joined).row_labels) == list(range(6))
    assert container_of(joined).labels == container_of(rows).labels


def test_columns_of_other_types_are_named_by_position():
    others = {"day": [datetime.datetime(2020, 1, 1)] * 3, "text": ["u", "v", None]}
    found = dict(container_of(ROWS["pandas"].assign(**others)).columns_of_other_types())
    assert list(found) == [2, 3]
    table = pl.DataFrame({"a": [1.0] * 3, "b": [True] * 3, **others})
    found = dict(container_of(table).columns_of_other_types())
    assert list(found) == [2, 3]
    assert list(found[3]) == ["u", "v", None]
    found = dict(container_of([[1, "u"], [2, "v"]]).columns_of_other_types())
    assert list(found) == [0, 1]
    assert not list(container_of([[1, 2], [3]]).columns_of_other_types())


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_rows_are_joined_below_others(make):
    joined = container_of(make(VALUES)).join(make(VALUES))
    assert type(joined) is make
    assert_array_equal(joined.toarray(), np.vstack([VALUES, VALUES]))


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_rows_are_made_dense(make):
    X = make(VALUES)
    assert is_sparse(X)
    assert not is_frame(X)
    assert container_of(X).shape == (3, 2)
    assert not list(container_of(X).columns_of_other_types())
    assert_array_equal(container_of(X).to_dense(), VALUES)
    assert container_of(VALUES).to_dense() is VALUES


def test_lists_have_no_type_yet():
    assert not container_of(VALUES.tolist()).is_typed
    assert container_of(VALUES).is_typed
    assert container_of(VALUES.tolist()).shape == (3, 2)


@pytest.mark.parametrize(
    "column",
    [
        np.array([3.0, np.nan, 1.0, 3.0]),
        np.array([3, None, 1, 3], dtype=object),
        pd.Series([3, None, 1, 3], dtype="Int64"),
        pd.Series([3.0, np.nan, 1.0, 3.0], index=list("abcd")),
    ],
    ids=["float", "object", "nullable", "series"],
)
def test_columns_tell_what_is_missing_and_distinct(column):
    assert_array_equal(missing_in(column), [False, True, False, False])
    assert_array_equal(as_floats(column), [3, np.nan, 1, 3])
    assert sorted(distinct_values(column).tolist()) == [1, 3]
    picked = pick(column, np.array([2, 0]))
    assert picked.tolist() == [1, 3]
    assert not hasattr(picked, "index") or list(picked.index) == [0, 1]


@pytest.mark.parametrize(
    ("column", "other", "dtype"),
    [
        (np.array([1, 2]), np.array([0.5]), float),
        (np.array(["a", "bc"]), np.array([0.5]), object),
        (np.array(["a", "bc"]), np.array(["def"]), object),
        (pd.Series([1, 2]), pd.Series([0.5]), float),
        (pd.Series([1.0, 2.0], index=[7, 8]), np.array([3.0]), float),
        (pd.Series(["a", "b"], dtype="category"), pd.Series(["c"], dtype="category"), object),
        (pd.Series([True, False]), pd.Series([True]), bool),
        (pd.Series([1, None], dtype="Int64"), pd.Series([3], dtype="Int64"), "Int64"),
    ],
)
def test_columns_are_stacked_with_their_values(column, other, dtype):
    both = stacked(column, other)
    # Text may be of a type of its own.
    assert both.dtype == dtype or both.dtype == pd.Series(["a"]).dtype
    pairs = zip(both, [*column, *other], strict=True)
    assert all(a is b or a == b for a, b in pairs)
    assert not hasattr(both, "index") or list(both.index) == list(range(len(both)))


def test_no_other_module_tells_containers_apart():
    words = re.compile(
        r'hasattr\([^)]*"(iloc|get_columns|toarray|schema)"|^ *(import|from) (pandas|polars)', re.M
    )
    for path in Path(flowkit.__file__).parent.rglob("*.py"):
        if path.name != "_containers.py":
            assert not words.search(path.read_text()), path


def test_no_other_module_counts_frames_for_a_warning():
    for path in Path(flowkit.__file__).parent.rglob("*.py"):
        if path.name != "_warn.py":
            assert "stacklevel=" not in path.read_text(), path

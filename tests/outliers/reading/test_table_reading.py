"""Tables as a whole: their containers, what is left out of them, and what is left."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from flowkit.exceptions import IdentifierWarning, InvalidDataError
from flowkit.outliers.reading import TableReading
from flowkit.validation import container_of

N = 80


def frame(n=N, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "row": np.arange(n),
            "size": np.where(rng.uniform(size=n) < 0.4, np.nan, rng.normal(size=n)),
            "kind": rng.choice(["a", "b", None], size=n),
            "name": [f"name {seed} {i}" for i in range(n)],
        }
    )


def test_columns_follow_each_other_and_nothing_is_missing():
    X = frame()
    reading = TableReading(X, list(X))
    assert reading.is_level.tolist() == [False, True, True]
    read = reading(X)
    assert read.dtype == np.float64
    assert np.isfinite(read).all()
    missing = X["size"].isna()
    np.testing.assert_array_equal(read[~missing, 0], X["size"].dropna())
    np.testing.assert_array_equal(read[:, 1], missing)


def test_rows_are_read_one_by_one():
    X, new = frame(), frame(20, seed=1)
    reading = TableReading(X, list(X))
    alone = np.vstack([reading(new.iloc[[i]]) for i in range(len(new))])
    np.testing.assert_array_equal(reading(new), alone)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reading))(new), alone)


def test_an_array_of_objects_is_read_like_the_frame():
    X = frame()
    of_frame = TableReading(X, list(X))(X)
    array = X.to_numpy(dtype=object)
    np.testing.assert_array_equal(TableReading(array, list(X))(array), of_frame)


def test_numbers_in_an_array_stay_as_they_are():
    X = np.random.default_rng(0).normal(size=(N, 3))
    reading = TableReading(X, ["a", "b", "c"])
    np.testing.assert_array_equal(reading(X), X)
    assert not reading.is_level.any()


def test_columns_that_are_left_out_are_named():
    X = frame()
    with pytest.warns(IdentifierWarning, match=r"column\(s\) row, name tell rows apart"):
        TableReading(X, list(X)).warn_of_identifiers()


@pytest.mark.filterwarnings("error")
def test_nobody_is_warned_of_nothing():
    X = frame()[["size", "kind"]]
    TableReading(X, list(X)).warn_of_identifiers()


def test_a_table_of_identifiers_is_refused():
    X = frame()[["name"]]
    with pytest.raises(InvalidDataError, match="no column says anything of a row"):
        TableReading(X, list(X))


def test_a_running_index_is_read_where_there_is_nothing_else():
    X = frame()[["row", "name"]]
    reading = TableReading(X, list(X))
    np.testing.assert_array_equal(reading.is_left_out, [False, True])
    np.testing.assert_array_equal(reading(X)[:, 0], X["row"])


def test_whole_numbers_and_their_text_are_one_level():
    text = pd.DataFrame({"shop": list("12345") * 20})
    numbers = text.astype(int)
    reading = TableReading(text, ["shop"])
    np.testing.assert_array_equal(reading(numbers), reading(text))
    reading = TableReading(numbers.astype("category"), ["shop"])
    np.testing.assert_array_equal(reading(text), reading(numbers.astype("category")))


def test_tables_of_polars_are_read_by_way_of_pandas():
    X = frame()
    table = container_of(
        pl.DataFrame(dict(zip(X, container_of(X).objects(), strict=True)), strict=False)
    ).to_pandas_or_array()
    expected = TableReading(X, list(X))(X)
    np.testing.assert_array_equal(TableReading(table, list(X))(table), expected)

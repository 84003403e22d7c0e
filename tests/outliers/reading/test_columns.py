"""Columns of every type, read as numbers, as levels or as nothing."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import uuid

import numpy as np
import pandas as pd
import pytest

from flowkit.exceptions import InvalidDataError, UnsupportedValueError
from flowkit.outliers.reading import TableReading

N = 60
DAY = datetime.timedelta(days=1)
DATE = datetime.date(2020, 1, 1)
Colour = enum.Enum("Colour", "red blue")


def shuffled(values):
    """Out of order: dates in order would be a running index."""
    return [values[i] for i in np.random.default_rng(0).permutation(len(values))]


def objects(values):
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def read(column, new=None):
    """What a column becomes, beside one that is there in any case."""
    frame = pd.DataFrame({"c": column, "other": np.linspace(0, 1, len(column)) ** 2})
    reading = TableReading(frame, list(frame))
    if new is not None:
        frame = pd.DataFrame({"c": new, "other": np.zeros(len(new))})
    return reading(frame)[:, :-1], reading.is_level[:-1]


DATES = shuffled(pd.date_range("2020-03-28", periods=N, freq="h"))
DAYS = [(date - pd.Timestamp("1970-01-01")) / pd.Timedelta("1D") for date in DATES]

NUMBERS = {
    "truth values": (np.arange(N) % 2 == 0, 1.0 - np.arange(N) % 2),
    "truth values of pandas": (pd.array([True, False] * 30, dtype="boolean"), [1, 0] * 30),
    "truth values as objects": (objects([np.True_, False] * 30), [1, 0] * 30),
    "whole numbers of pandas": (pd.array([5, 7] * 30, dtype="Int64"), [5, 7] * 30),
    "half precision": (np.array([0.5, 7] * 30, dtype=np.float16), [0.5, 7] * 30),
    "extended precision": (np.array([0.5, 7] * 30, dtype=np.longdouble), [0.5, 7] * 30),
    "sparse": (pd.arrays.SparseArray([0.0, 2.0] * 30), [0, 2] * 30),
    "decimals": (objects([decimal.Decimal("0.5"), decimal.Decimal(7)] * 30), [0.5, 7] * 30),
    "fractions": (objects([fractions.Fraction(1, 2), 7] * 30), [0.5, 7] * 30),
    "dates and times": (pd.Series(DATES), DAYS),
    "dates and times of numpy": (np.array(DATES, dtype="M8[s]"), DAYS),
    "dates and times as objects": (objects([date.to_pydatetime() for date in DATES]), DAYS),
    "dates in a time zone": (
        pd.Series(DATES).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"),
        DAYS,
    ),
    "dates in several time zones": (
        objects([date.tz_localize("UTC").tz_convert("Asia/Tokyo") for date in DATES[:30]]).tolist()
        + [date.tz_localize("UTC").tz_convert("Europe/Berlin") for date in DATES[30:]],
        DAYS,
    ),
    "dates": (objects([DATE + i % 3 * DAY for i in range(N)]), 18262 + np.arange(N) % 3),
    "years far off": (
        objects([datetime.date(1, 1, 1), datetime.date(9999, 1, 1)] * 30),
        [-719162, 2932532] * 30,
    ),
    "the first and last moments in their time zones": (
        objects(
            [
                datetime.datetime(1, 1, 1, tzinfo=datetime.timezone(DAY / 2)),
                datetime.datetime(9999, 12, 31, 12, tzinfo=datetime.timezone(-DAY / 2)),
            ]
            * 30
        ),
        [-719162.5, 2932897] * 30,
    ),
    "months": (
        pd.array(shuffled(list(pd.period_range("1970-01", periods=2, freq="M")) * 30)),
        shuffled([0, 31] * 30),
    ),
    "lengths of time": (pd.to_timedelta([12, 48] * 30, unit="h"), [0.5, 2] * 30),
    "lengths of time as objects": (objects([DAY / 2, 2 * DAY] * 30), [0.5, 2] * 30),
    "times of the day": (objects([datetime.time(6), datetime.time(12)] * 30), [0.25, 0.5] * 30),
    "months of numpy": (np.array(["1970-01", "1970-02"] * 30, dtype="M8[M]"), [0, 31] * 30),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("column", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_and_dates_are_numbers(column, expected):
    numbers, is_level = read(column)
    assert list(is_level) == [False]
    np.testing.assert_allclose(numbers[:, 0], np.asarray(expected, float), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["m8[Y]", "m8[M]", "m8[W]", "m8[D]", "m8[ms]"])
@pytest.mark.parametrize("as_objects", [False, True])
def test_lengths_of_time_of_numpy_are_days_in_every_unit(dtype, as_objects):
    column = np.array([1, 3] * 30, dtype=dtype)
    given = objects(list(column)) if as_objects else column
    X = np.column_stack([given, given[::-1]])
    days = {"Y": 365.2425, "M": 365.2425 / 12, "W": 7, "D": 1, "ms": 1 / 86_400_000}[dtype[3:-1]]
    expected = np.array([[days, 3 * days], [3 * days, days]])
    np.testing.assert_allclose(TableReading(X, ["a", "b"])(X)[:2], expected, rtol=1e-12)


MISSING = {
    "numbers": np.array([1.0, 2.0, np.nan] * 20),
    "whole numbers of pandas": pd.array([1, 2, None] * 20, dtype="Int64"),
    "truth values of pandas": pd.array([1, 0, None] * 20, dtype="boolean"),
    "objects": objects([1, 2.0, None] * 20),
    "decimals": objects([decimal.Decimal(1), 2, decimal.Decimal("NaN")] * 20),
    "dates and times": pd.Series([DATES[0], DATES[1], pd.NaT] * 20),
    "dates in a time zone": pd.Series([DATES[0], DATES[1], pd.NaT] * 20).dt.tz_localize("UTC"),
    "dates as objects": objects([DATE, DATE + DAY, None] * 20),
    "lengths of time": pd.to_timedelta([1, 2, None] * 20, unit="D"),
}


@pytest.mark.parametrize("column", MISSING.values(), ids=MISSING)
def test_a_missing_number_is_one_of_training_and_a_level_says_so(column):
    read_as, is_level = read(column)
    assert list(is_level) == [False, True]
    first, second, filled = read_as[:3, 0]
    assert filled in (first, second)
    np.testing.assert_array_equal(read_as[:, 1], [0, 0, 1] * 20)


@pytest.mark.parametrize(("n_missing", "is_level"), [(11, [False]), (12, [False, True])])
def test_only_a_number_that_is_often_missing_is_told_of(n_missing, is_level):
    column = np.sin(np.arange(N))
    column[:n_missing] = np.nan
    assert list(read(column)[1]) == is_level


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
def test_a_number_that_is_missing_only_later_is_one_of_training(missing):
    read_as, is_level = read([1.0, 3.0] * 30, objects([missing, 7.0]))
    assert list(is_level) == [False]
    assert read_as[0, 0] in (1.0, 3.0)
    assert read_as[1, 0] == 7.0


LEVELS = {
    "text": ["a", "b", "b"] * 20,
    "text with missing": ["a", None, None] * 20,
    "text of pandas": pd.array(["a", None, None] * 20, dtype="string"),
    "bytes": objects([b"a", b"b", b"b"] * 20),
    "bytes of numpy": np.array([b"a", b"b", b"b"] * 20),
    "categories": pd.Categorical(["a", "b", "b"] * 20, categories=["z", "b", "a"]),
    "categories in order": pd.Categorical(["a", "b", "b"] * 20, ordered=True),
    "categories with missing": pd.Categorical(["a", None, None] * 20),
    "categories of numbers": pd.Categorical([1, 2, 2] * 20),
    "intervals": pd.cut([0.0, 1.0, 1.0] * 20, 2),
    "text and numbers": objects(["a", 1, 1] * 20),
    "numbers and dates": objects([1, DATE, DATE] * 20),
    "tuples": objects([(1, "a"), (1, "b"), (1, "b")] * 20),
    "members of an enum": objects([Colour.red, Colour.blue, Colour.blue] * 20),
}


@pytest.mark.parametrize("column", LEVELS.values(), ids=LEVELS)
def test_levels_are_coded_from_the_most_frequent_on(column):
    codes, is_level = read(column)
    assert list(is_level) == [True]
    np.testing.assert_array_equal(codes[:, 0], [1, 0, 0] * 20)


def test_new_and_rare_levels_share_the_last_code():
    column = ["a"] * 30 + ["b"] * 20 + ["c"] * 4 + ["d"] * 6
    codes, _ = read(column, ["a", "b", "c", "d", "new", None, np.nan])
    np.testing.assert_array_equal(codes[:, 0], [0, 1, 3, 2, 3, 3, 3])


def test_levels_that_are_only_declared_are_rare():
    column = pd.Categorical(["a", "b"] * 30, categories=["a", "b", "unused"])
    codes, _ = read(column, pd.Categorical(["unused", "a", "new"]))
    assert codes[0] == codes[2] == 2 != codes[1]


def test_levels_of_a_short_table_repeat():
    codes, is_level = read(["a", "a", "b"])
    np.testing.assert_array_equal(codes[:, 0], [0, 0, 1])
    assert list(is_level) == [True]


@pytest.mark.parametrize(
    "nothing",
    [objects([None] * N), np.full(N, np.nan), np.full(N, "NaT", "M8[s]"), pd.array([pd.NA] * N)],
    ids=["objects", "numbers", "dates", "pandas"],
)
def test_of_a_column_without_a_value_any_value_is_a_new_level(nothing):
    codes, is_level = read(nothing, objects([None, 3.5, "text"]))
    assert list(is_level) == [True]
    np.testing.assert_array_equal(codes[:, 0], [0, 1, 1])


def index_with_gaps(share):
    return np.sort(np.random.default_rng(0).choice(int(N / share), N, replace=False))


TEXT = [f"id {i}" for i in range(N)]
LEFT_OUT = {
    "an index": np.arange(N),
    "an index downward": 1000.0 - np.arange(N),
    "an index out of order": shuffled(np.arange(N)),
    "an index with gaps": index_with_gaps(0.9),
    "an index with gaps out of order": shuffled(index_with_gaps(0.7)),
    "an index with many gaps": index_with_gaps(0.01),
    "seconds since 1970": 1_600_000_000 + 3600 * np.arange(N),
    "dates in order": pd.date_range("2020", periods=N, freq="h"),
    "dates in order, some of them twice": pd.date_range("2020", periods=50, freq="D")
    .append(pd.date_range("2020-02-20", periods=10, freq="D"))
    .sort_values(),
    "dates in order as objects": objects([DATE + i * DAY for i in range(N)]),
    "text": TEXT,
    "text that hardly repeats": TEXT[:-2] + TEXT[:2],
    "unique identifiers": objects([uuid.UUID(int=i * 7919) for i in range(N)]),
}


@pytest.mark.parametrize("column", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_only_tells_rows_apart_is_left_out(column):
    assert read(column)[0].shape == (N, 0)


rng = np.random.default_rng(0)
KEPT = {
    "few rows": np.arange(40),
    "numbers in order": np.sort(rng.normal(size=N)),
    "repeated numbers in order": np.sort(np.r_[np.arange(N - 5), np.arange(5)]),
    "whole numbers out of order": rng.permutation(10 * N)[:N],
    "dates out of order": DATES,
    "few dates in order": pd.date_range("2020", periods=3, freq="D").repeat(20),
    "a constant": np.ones(N),
    "a constant text": ["a"] * N,
}


@pytest.mark.parametrize("column", KEPT.values(), ids=KEPT)
def test_what_says_something_is_kept(column):
    assert read(column)[0].shape == (len(column), 1)


UNSUPPORTED = {
    "lists": objects([[1, i] for i in range(N)]),
    "dicts": objects([{"a": i} for i in range(N)]),
    "arrays": objects([np.zeros(2) for _ in range(N)]),
    "tuples of lists": objects([([1],)] * N),
    "complex numbers": np.array([1 + 2j, 3] * 30),
    "complex objects": objects([1 + 2j, 3] * 30),
}


@pytest.mark.parametrize("column", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_what_is_no_value_is_refused_by_its_column(column):
    with pytest.raises(UnsupportedValueError, match=r"column c holds .*make it text"):
        read(column)


@pytest.mark.parametrize(
    "infinite",
    [np.inf, -np.inf, decimal.Decimal("Infinity"), 10**400, -(10**400)],
    ids=["inf", "-inf", "decimal", "huge", "-huge"],
)
def test_infinity_is_refused_by_its_column(infinite):
    # A series keeps what older versions of pandas fail to read as numbers in a dict.
    column = pd.Series(objects([infinite, 1.0] * 30), dtype=object)
    with pytest.raises(InvalidDataError, match=r"infinity in column\(s\) c"):
        read(column)
    with pytest.raises(InvalidDataError, match=r"infinity in column\(s\) c"):
        read([1.0, 2.0] * 30, column)


OTHERS = {
    "text": (["a", "b"], "'a', a str"),
    "text among numbers": (objects([1.0, None, "a"]), "'a', a str"),
    "categories of text": (pd.Categorical(["a", "b"]), "'a', a str"),
    "lists": (objects([[1], [2]]), r"\[1\], a list"),
    "numbers and dates": (objects([1.0, DATE]), "datetime.date"),
    "complex numbers": (np.array([1j, 2]), "a complex"),
}


@pytest.mark.parametrize(("new", "named"), OTHERS.values(), ids=OTHERS)
def test_text_where_numbers_were_is_refused_by_its_column(new, named):
    with pytest.raises(UnsupportedValueError, match=f"column c holds .*{named}.* held numbers"):
        read([1.0, 2.0] * 30, new)


def test_numbers_may_come_as_categories_later():
    read_as, _ = read([1.0, 2.0] * 30, pd.Categorical([2, None, 7]))
    assert read_as[1, 0] in (1.0, 2.0)
    np.testing.assert_array_equal(read_as[[0, 2], 0], [2.0, 7.0])

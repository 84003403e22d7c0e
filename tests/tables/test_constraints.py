"""What expressions of columns tell of the rows of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from flowkit.exceptions import InvalidParameterError
from flowkit.tables._constraints import Constraint

TABLE = pd.DataFrame(
    {
        "k": [1, 2, 3, 4],
        "byte": np.array([200, 100, 0, 255], dtype=np.uint8),
        "large": pd.array([1, 2, 3, 2**53], dtype="Int64"),
        "id": np.array([2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1]),
        "hash": np.array([0, 2**63, 2**64 - 2, 2**64 - 1], dtype=np.uint64),
        "net weight": [3.0, 1.0, 4.0, 1.0],
        "gro\u0308ße": [1, 2, 3, 4],
        "x": [0.0, 0.5, 2.5, 4.0],
        "ward": ["a", "b", "a", "c"],
        "note": ["`k`", "it`s", "a'b", ""],
        "size": pd.Categorical(["s", "l", "m", None], ["s", "m", "l"], ordered=True),
        "ordered": pd.Categorical(["m", "m", "m", "s"], ["s", "m", "l"], ordered=True),
        "grade": pd.Categorical([3, 1, 2, 2], [3, 2, 1], ordered=True),
        "colour": pd.Categorical(["red", "blue", "red", "red"]),
        "group": pd.Categorical([1, 2, 2, 3]),
        "seen": pd.array([True, False, True, True], dtype="boolean"),
        "start": pd.to_datetime(["2024-01-05", "2024-02-01", "2024-03-01", "2024-01-05"]),
        "end": pd.to_datetime(["2024-01-09", "2024-02-01", "2024-03-03", "2024-01-06"]),
    }
)
MET = {
    "seen and k > 1": [False, False, True, True],
    "not seen or x == 0": [True, True, False, False],
    "ward in ['a', 'c'] and k not in [1, 4]": [False, False, True, False],
    "k in [x, 1, 'a'] or k in []": [True, False, False, True],
    "start in ['2024-01-05', '2024-03-01']": [True, False, True, True],
    "start not in ['2024-01-05']": [False, True, True, False],
    "size >= 'm'": [False, True, True, False],
    "'s' < size <= 'm'": [False, False, True, False],
    "ordered <= size": [False, True, True, False],
    "ward < size": [False, False, False, False],
    "size == 'l' or size in ['s', 'x']": [True, True, False, False],
    "grade > 2": [False, True, False, False],
    "grade + 1 > 3": [True, False, False, False],
    "colour == 'red' and group >= 2": [False, False, True, True],
    "start < '3000-01-01' and end > '1000-01-01 00:00'": [True, True, True, True],
    "byte + byte > 255 and -byte < 0": [True, False, False, True],
    "100 - byte < 0": [True, False, False, True],
    "byte - k < 0 or large - byte > 10**9": [False, False, True, True],
    "`net weight` > 2 and `k` < 3": [True, False, False, False],
    "id == 9007199254740993 or id in [9223372036854775807]": [False, True, False, True],
    "id % 2 == 1 and id % 2 < k": [False, True, False, True],
    "k % (k - 1) == 0": [False, True, False, False],
    "id + id > id and id - -1 > 0 and id * id > id": [True, True, True, True],
    "id - 9007199254740992 == 1": [False, True, False, False],
    "id < 10**20 and id > -99999999999999999999 and id / 99999999999999999999 < 1": [True] * 4,
    "hash == 18446744073709551614": [False, False, True, False],
    "hash + hash > hash and -hash < 0": [False, True, True, True],
    "large == 9007199254740992 and large + 1 == 9007199254740993": [False, False, False, True],
    "note == '`k`' or `k` == 3": [True, False, True, False],
    "note == 'it`s' or `net weight` > 3.5": [False, True, True, False],
    'note == "a\'b" or `k` == 4 or note == "`"': [False, False, True, True],
    r"note in ['a\'b', '\\', '`k`']": [True, False, True, False],
    "`gr\u00f6ße` == 2 or gro\u0308ße == 4": [False, True, False, True],
    "'2024-01-05' < start <= end": [False, True, True, False],
    "end - start == end - start and x / x != 1": [True, False, False, False],
}
REFUSED = {
    "k > 1 & x < 3": "holds '&'.*write 'and'",
    "(k > 1) | (x < 3)": r"holds '\|'.*write 'or'",
    "~(k > 1)": "holds '~'.*write 'not'",
    "k and x > 3": "takes 'k' for a condition.*such as 'k == 1'",
    "not x - k": "takes 'x - k' for a condition",
    "ward or k > 3": "takes 'ward' for a condition",
    "ward > 3": "'ward > 3' cannot be evaluated",
    "size > 'xl'": "compares 'xl' with levels of which it is none: use one of .'s', 'm', 'l'.",
    "size > 3": "compares 3 with levels of which",
    "size > grade": "levels of two columns that are not the same ones",
    "colour > 'blue'": "compares column 'colour' by order, but its levels have none",
    "not `net weight`": "takes '`net weight`' for a condition",
    "`net wieght` > 2": "names column 'net wieght', which is none.*'net weight'",
    "`net weight > 2": "cannot be read",
    "k > 'x'": "cannot be evaluated",
    "k > 1/0": "cannot be evaluated: division by zero",
    "k > -ward": "cannot be evaluated",
    "k in 3": "no list after 'in'",
    "ward in 'ab'": "no list after 'in'",
    "k not in x": "no list after 'in'",
    "k > 1\0": "cannot be read",
    "start > 'yesterday'": "cannot be evaluated.*dates such as '2024-01-31'",
    "start in ['yesterday']": "cannot be evaluated",
    "start > 'today'": "'today' is no date",
    "start in ['now']": "'now' is no date",
    "start > '2024-01-05T00:00Z'": "is in a time zone",
    "start > 3": "a number beside dates",
    "start in [3]": "a number beside dates",
    "end - start > 3": "a number beside dates",
    "start + 3 > end": "a number beside dates",
}


@pytest.mark.parametrize(("expression", "met"), MET.items(), ids=MET)
def test_rows_that_meet_an_expression(expression, met):
    assert_array_equal(Constraint(expression)(TABLE), met)


@pytest.mark.parametrize(("expression", "words"), REFUSED.items(), ids=map(repr, REFUSED))
def test_what_has_no_answer_is_refused_by_name(expression, words):
    with pytest.raises(InvalidParameterError, match=words):
        Constraint(expression)(TABLE)


def test_what_is_missing_meets_nothing():
    table = pd.DataFrame({"x": [np.nan, 1.0], "day": [pd.NaT, pd.Timestamp("2024-01-05")]})
    for expression in ("x > 0", "x < 2", "x in [1.0]", "day > '2024-01-01'"):
        assert_array_equal(Constraint(expression)(table), [False, True])


def test_powers_of_any_size_take_no_time():
    table = pd.DataFrame({"x": [2.0, 3.0]})
    assert_array_equal(Constraint("x < 9**9**9")(table), [True, True])
    assert_array_equal(Constraint("x**2 > 5")(table), [False, True])


def test_what_polars_enumerates_has_an_order():
    table = pl.DataFrame(
        {"size": ["s", "l", "m"], "text": ["s", "l", "m"], "byte": [200, 0, 90]},
        schema={"size": pl.Enum("sml"), "text": str, "byte": pl.UInt8},
    )
    assert_array_equal(Constraint("byte + byte > 150")(table), [True, False, True])
    assert_array_equal(Constraint("size >= 'm'")(table), [False, True, True])
    assert_array_equal(Constraint("text >= 'm'")(table), [True, False, True])
    texts = table.with_columns(pl.col("size").cast(pl.Categorical))
    assert_array_equal(Constraint("size >= 'm'")(texts), [True, False, True])

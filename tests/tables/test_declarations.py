"""Kinds of columns as they are recognised, declared, and refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from flowkit.exceptions import (
    InvalidDataError,
    InvalidParameterError,
    OutsideSupportError,
    UnknownNameError,
)

from .examples import DECLARED, FRAME_KINDS, objects, table


def test_kinds_are_recognised(frame):
    fitted = table(**DECLARED).fit(frame)
    assert fitted.kinds_ == FRAME_KINDS
    assert list(fitted.categories_) == ["size", "colour", "new"]
    assert_array_equal(fitted.categories_["size"], ["S", "M", "L", "XL"])
    assert_array_equal(fitted.feature_names_in_, frame.columns)


def test_the_report_says_what_and_why(frame):
    fitted = table(**DECLARED, kinds={"age": "continuous"}).fit(frame)
    lines = fitted.report().splitlines()
    assert len(lines) == 1 + frame.shape[1]
    for line, name, words in zip(
        lines[1:],
        frame,
        [
            ("category", "4 levels", "S "),
            ("3 levels", "red"),
            ("bool", "True"),
            ("continuous", "declared", "18 to 79"),
            ("bounds are declared", "bounds 0 and inf", "repeat 1 apart"),
            ("bounded", "bounds 0 and inf"),
            ("bounds 0 and 1",),
            ("a period is declared", "from 0 to 24"),
            ("continuous", "real numbers"),
        ],
        strict=True,
    ):
        assert line.startswith(name)
        assert all(word in line for word in words), line
    as_frame = fitted.report(as_frame=True)
    assert list(as_frame.columns) == ["column", "kind", "why", "details"]
    assert_array_equal(as_frame.kind, fitted.kinds_)


def test_a_list_or_indices_declare_columns_of_arrays(rng):
    X = np.column_stack([rng.integers(0, 3, 100), rng.uniform(1, 2, 100), rng.integers(0, 9, 100)])
    by_list = table(kinds=["categorical", "auto", "auto"], bounds={1: (1, 2)}).fit(X)
    by_index = table(kinds={0: "categorical"}, bounds={1: (1, 2)}).fit(X)
    assert by_list.kinds_ == by_index.kinds_ == ["categorical", "bounded", "integer"]
    assert_array_equal(by_list.score_samples(X), by_index.score_samples(X))


def test_levels_with_like_rows_are_neighbours(rng):
    level = rng.permutation(np.repeat(list("adbecf"), 100))
    x = rng.normal([ord(k) for k in level], 0.5)
    order = "".join(table().fit(objects(level, x)).categories_[0])
    assert order in ("abcdef", "fedcba")
    numbers = np.stack([[ord(k) for k in level], x], 1)
    order = table(kinds={0: "categorical"}).fit(numbers).categories_[0]
    assert np.all(np.abs(np.diff(order)) == 1)


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"kinds": {"wieght": "bounded"}}, UnknownNameError, "mean 'weight'"),
        ({"kinds": {"score": "continous"}}, UnknownNameError, "score.*mean 'continuous'"),
        ({"kinds": {11: "integer"}}, UnknownNameError, "0 to 8"),
        ({"kinds": ["auto"]}, InvalidParameterError, "1 entries, X has 9"),
        ({"kinds": {"score": "bounded"}}, InvalidParameterError, "score is bounded.*bounds="),
        ({"kinds": {"hour": "circular"}}, InvalidParameterError, "hour is circular.*periods="),
        ({"kinds": {"score": "integer"}}, InvalidDataError, "score is declared integer"),
        ({"kinds": {"colour": "continuous"}}, InvalidDataError, "colour is declared.*'[a-z]+'"),
        ({"bounds": {"score": (0, None)}}, OutsideSupportError, "score has bounds 0 and inf"),
        ({"bounds": {"weight": (5, 0)}}, InvalidParameterError, "weight must rise"),
        ({"bounds": {"weight": 5}}, InvalidParameterError, "weight must be .low, high."),
        ({"bounds": {"weight": (None, None)}}, InvalidParameterError, "weight is bounded"),
        ({"bounds": {"colour": (0, 1)}}, InvalidDataError, "colour"),
        ({"bounds": {"age": (0.5, None)}}, InvalidParameterError, "age must be whole"),
        (
            {"kinds": {"weight": "continuous"}, "bounds": {"weight": (0, None)}},
            InvalidParameterError,
            "weight is continuous and has bounds",
        ),
        ({"periods": {"hour": -24}}, InvalidParameterError, "hour must be positive"),
        ({"periods": {"hour": (0, 1, 2)}}, InvalidParameterError, "hour must be a period"),
        (
            {"kinds": {"hour": "continuous"}, "periods": {"hour": 24}},
            InvalidParameterError,
            "hour is continuous and has a period",
        ),
        (
            {"bounds": {"hour": (0, 24)}, "periods": {"hour": 24}},
            InvalidParameterError,
            "hour has both",
        ),
        ({"cells": "probabilty"}, ValueError, "mean 'probability'"),
    ],
    ids=str,
)
def test_wrong_declarations_name_the_column(frame, parameters, error, words):
    fitted = table().fit(frame[["score"]])
    before = dict(fitted.__dict__)
    with pytest.raises(error, match=words):
        fitted.set_params(**parameters).fit(frame)
    assert all(fitted.__dict__[k] is v for k, v in before.items() if k not in parameters)


def test_names_need_names(rng):
    with pytest.raises(UnknownNameError, match="no column names"):
        table(kinds={"a": "integer"}).fit(rng.normal(size=(20, 2)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": np.nan}, "NaN in column.s. score"),
        ({"score": np.inf}, "infinity in column.s. score"),
        ({"colour": None}, "NaN in column.s. colour"),
        ({"children": pd.NA}, "NaN in column.s. children"),
        ({"score": "high"}, "score was continuous"),
    ],
    ids=str,
)
def test_rows_that_cannot_be_scored_are_refused_by_column(frame, change, words):
    fitted = table(**DECLARED).fit(frame)
    column, value = next(iter(change.items()))
    dtype = object if isinstance(value, str) else frame[column].dtype
    changed = frame.assign(**{column: frame[column].astype(dtype).where(frame.index > 0, value)})
    with pytest.raises(InvalidDataError, match=words):
        fitted.score_samples(changed)


def test_dates_and_objects_are_refused_by_column(frame):
    with pytest.raises(InvalidDataError, match="day is of type datetime"):
        table().fit(frame.assign(day=pd.Timestamp("2020-01-01", tz="UTC")))
    with pytest.raises(InvalidDataError, match="day holds"):
        table().fit(frame.assign(day=[(1, 2)] * len(frame)))
    with pytest.raises(InvalidDataError, match="day holds no value"):
        table().fit(frame.assign(day=np.nan))

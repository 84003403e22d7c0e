"""Tables come out of files as they were."""

from __future__ import annotations

import datetime
import io

import numpy as np
import pandas as pd
import pytest

from flowkit.cli import _tables
from flowkit.cli._columns import declarations, select
from flowkit.cli._missing_codes import with_missing
from flowkit.cli._tables import read_table
from flowkit.exceptions import (
    FlowkitWarning,
    InvalidDataError,
    InvalidFileError,
    InvalidParameterError,
    MissingFileError,
    UnknownNameError,
)
from flowkit.tables._column_kinds import KINDS

from .conftest import make_table


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path, separator):
    make_table().to_csv(tmp_path / "table.csv", sep=separator, index=False)
    read = read_table(str(tmp_path / "table.csv"))
    assert read.columns.tolist() == make_table().columns.tolist()
    assert read.index.tolist() == list(range(1, 61))
    assert read["day"].dtype.kind == "M"


def test_an_index_that_pandas_wrote_is_no_column(tmp_path):
    make_table().to_csv(tmp_path / "table.csv")
    read = read_table(str(tmp_path / "table.csv"))
    assert read.columns.tolist() == make_table().columns.tolist()


def test_text_is_a_date_only_where_all_of_it_is(tmp_path):
    table = pd.DataFrame({"a": ["2024-01-31", None, "2024-02-01"], "b": ["2024-01-31", "no", "x"]})
    table.to_csv(tmp_path / "table.csv", index=False)
    read = read_table(str(tmp_path / "table.csv"))
    assert [read[name].dtype.kind == "M" for name in "ab"] == [True, False]
    assert read["a"].isna().tolist() == [False, True, False]


def test_decimal_commas_between_semicolons_are_read(tmp_path):
    (tmp_path / "table.csv").write_text("a;b;c\n1,5;x;1,5\n-2;y;one\n;x;2\n3,25e1;y;3\n")
    read = read_table(str(tmp_path / "table.csv"))
    np.testing.assert_array_equal(read["a"], [1.5, -2.0, np.nan, 32.5])
    assert read["c"].tolist() == ["1,5", "one", "2", "3"]


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n4,5\n", "a,b\n1,2,3\n4,5,6\n", "a\n1,2,3\n4,5\n"])
def test_cells_without_a_name_are_told(tmp_path, text):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InvalidFileError, match="more cells than its first line has names"):
        read_table(str(tmp_path / "table.csv"))


def test_separators_may_end_lines(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n1,x,\n2,,\n")
    read = read_table(str(tmp_path / "table.csv"))
    assert read["a"].tolist() == [1, 2]
    assert read["b"].isna().tolist() == [False, True]


def test_days_of_parquet_are_dates(tmp_path):
    days = [datetime.date(2024, 1, 31), None, datetime.date(2024, 2, 1)]
    table = pd.DataFrame({"a": days, "b": [*days[:2], "x"]}, dtype=object)
    table[["a"]].to_parquet(tmp_path / "table.parquet")
    read = read_table(str(tmp_path / "table.parquet"))["a"]
    assert read.dt.day.dropna().tolist() == [31, 1]
    assert _tables._with_dates(table)["b"].dtype == object


def test_dates_lose_their_time_zone(tmp_path):
    days = pd.Series(pd.to_datetime(["2024-03-31 01:00", "2024-07-01 12:30"], utc=True))
    text = pd.DataFrame(
        {
            "a": ["2024-03-31T01:00Z", "2024-07-01 14:30+02:00"],
            "b": ["2024-03-31T01:00Z", "2024-07-01"],
        }
    )
    text.to_csv(tmp_path / "table.csv", index=False)
    read = read_table(str(tmp_path / "table.csv"))
    assert read["a"].tolist() == days.dt.tz_localize(None).tolist()
    assert read["b"].tolist() == text["b"].tolist()
    pd.DataFrame({"a": days.dt.tz_convert("Europe/Berlin")}).to_parquet(tmp_path / "table.parquet")
    hours = read_table(str(tmp_path / "table.parquet"))["a"].dt.hour.tolist()
    assert hours == [3, 14]


def test_standard_input_is_csv(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a,b\n1,2\n"))
    assert read_table("-").to_numpy().tolist() == [[1, 2]]


def test_what_cannot_be_read_is_told(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "false.npz").write_text("no archive")
    (tmp_path / "false.parquet").write_text("no parquet")
    (tmp_path / "table.doc").write_text("a,b\n1,2\n")
    for name, error in {
        "none.csv": MissingFileError,
        "empty.csv": InvalidFileError,
        "header.csv": InvalidDataError,
        "false.npz": InvalidFileError,
        "false.parquet": InvalidFileError,
        "table.doc": InvalidParameterError,
    }.items():
        with pytest.raises(error, match=name):
            read_table(str(tmp_path / name))


def test_objects_in_arrays_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "rows.npz", X=np.array([[object()]], dtype=object))
    with pytest.raises(InvalidFileError):
        read_table(str(tmp_path / "rows.npz"))


def test_an_array_is_chosen_by_name(tmp_path):
    path = str(tmp_path / "rows.npz")
    np.savez(path, train=np.zeros((2, 3)), test=np.ones((4, 3)))
    assert read_table(path, array="test").shape == (4, 3)
    with pytest.raises(InvalidParameterError, match="--array"):
        read_table(path)


def test_numbers_alone_are_written_to_npz(tmp_path):
    path = str(tmp_path / "out.npz")
    _tables.write_table({"a": [1, 2], "b": [0.5, -np.inf]}, path, "csv")
    with np.load(path) as read:
        assert read["b"].tolist() == [0.5, -np.inf]
    with pytest.raises(InvalidDataError, match="column c"):
        _tables.write_table({"c": ["text"]}, path, "csv")


def test_nothing_is_an_empty_cell(tmp_path):
    path = tmp_path / "out.csv"
    _tables.write_table({"a": [1.5, np.nan, None]}, str(path), "csv")
    assert path.read_text() == 'a\n1.5\n""\n""\n'


WRITTEN = [".csv", ".tsv", ".json", ".parquet", ".npz"]


@pytest.mark.parametrize("ending", WRITTEN)
def test_what_is_missing_in_nullable_columns_is_written(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    columns = {"a": pd.array([1, None, 3], dtype="Int64"), "b": pd.array([None, True, False])}
    _tables.write_table(columns, str(path), "csv")
    read = {
        ".csv": pd.read_csv,
        ".tsv": lambda path: pd.read_csv(path, sep="\t"),
        ".json": pd.read_json,
        ".parquet": pd.read_parquet,
        ".npz": lambda path: pd.DataFrame(dict(np.load(path))),
    }[ending](path)
    assert read["a"].isna().tolist() == [False, True, False]
    assert read["b"].isna().tolist() == [True, False, False]
    assert read["a"].dropna().tolist() == [1, 3]
    assert read["b"].dropna().astype(bool).tolist() == [True, False]


class Unwritable:
    """A value that no text, number or date stands for."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize("ending", WRITTEN)
def test_the_file_that_was_there_stays_whole_where_a_row_cannot_be_written(tmp_path, ending):
    path = tmp_path / f"out{ending}"
    path.write_text("what was there")
    with pytest.raises(Exception, match=r"no text|Unwritable|column a"):
        _tables.write_table({"a": [1.5] * 5000 + [Unwritable()]}, str(path), "csv")
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["file", "allow_pickle", "args", "a/b", "größe", "x.npy"])
def test_columns_of_npz_files_have_any_name(tmp_path, name):
    path = tmp_path / "out.npz"
    _tables.write_table({name: [1.5, 2.5], "row": [1, 2]}, str(path), "csv")
    with np.load(path) as read:
        assert read[name].tolist() == [1.5, 2.5]
        assert read["row"].tolist() == [1, 2]
        assert set(read.files) == {name, "row"}


def test_columns_are_picked():
    table = make_table()
    picked = select(table, target="label", drop=["day"])
    assert picked.rows.columns.tolist() == ["size", "weight", "n"]
    assert picked.target.tolist() == table["label"].tolist()
    with pytest.raises(UnknownNameError, match=r"'wieght'.*'weight'"):
        select(table, target=None, drop=["wieght"])
    with pytest.raises(InvalidDataError, match="no column is left"):
        select(table[["n"]], target="n", drop=[])


def test_values_that_stand_for_missing_ones_are_missing():
    table = make_table(9)
    table.loc[2, ["weight", "n"]] = -999.25, -999
    table.loc[3, "size"] = "none"
    read = with_missing(table, ["-999.25", "none"])
    assert np.argwhere(read.isna().to_numpy()).tolist() == [[2, 1], [3, 0]]
    assert read["day"].dtype == table["day"].dtype
    assert np.isnan(with_missing(np.array([[-999, 1]]), ["-999.0"])).tolist() == [[True, False]]
    assert with_missing(table, []) is table


def test_dates_that_stand_for_missing_ones_are_missing():
    table = make_table(9)
    table.loc[4, "day"] = pd.Timestamp("1900-01-01")
    read = with_missing(table, ["1900-01-01"])
    assert np.argwhere(read.isna().to_numpy()).tolist() == [[4, table.columns.get_loc("day")]]
    assert read["day"].dtype == table["day"].dtype
    with pytest.warns(FlowkitWarning, match="--missing 1900-13-41 changes nothing"):
        assert not with_missing(table, ["1900-13-41"]).isna().to_numpy().any()


@pytest.mark.parametrize("dtype", [bool, object, "boolean"])
def test_numbers_do_not_stand_for_true_or_false(dtype):
    table = pd.DataFrame({"n": [0, 1, 2], "yes": pd.Series([False, True, False], dtype=dtype)})
    read = with_missing(table, ["0"])
    assert read.isna().to_numpy().tolist() == [[True, False], [False, False], [False, False]]
    assert read["yes"].dtype == table["yes"].dtype


@pytest.mark.parametrize("X", [np.ones((3, 2)), np.ones((3, 2), dtype=bool), make_table(9)])
def test_codes_that_are_found_nowhere_are_told(X):
    with pytest.warns(FlowkitWarning, match="--missing nowhere -77 changes nothing"):
        read = with_missing(X, ["nowhere", "-77"])
    assert np.shape(read) == np.shape(X)
    assert not pd.isna(read).to_numpy().any() if hasattr(read, "columns") else np.all(read == X)


@pytest.mark.parametrize("version", ["2.3.3", "3.0.0rc1", "10.1.0"])
def test_numbers_are_read_exactly_by_any_pandas(tmp_path, monkeypatch, version):
    given, read_csv = [], pd.read_csv
    monkeypatch.setattr(pd, "__version__", version)
    monkeypatch.setattr(pd, "read_csv", lambda *args, **of: given.append(of) or read_csv(*args))
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    read_table(str(tmp_path / "table.csv"))
    assert ("float_precision" in given[0]) == version.startswith("2.")


NO_KINDS = {
    "n": "must be COLUMN=KIND",
    "=integer": "must be COLUMN=KIND",
    "n=": "must be COLUMN=KIND",
    "m=integer": "'m', which there is none of",
    "n=whole": "'whole' is no kind.*'integer'",
    "n=bounded": "write n=bounded:LOW:HIGH",
    "n=bounded:0:1:2": "write n=bounded:LOW:HIGH",
    "n=bounded:a:1": "'a' is no number",
    "n=bounded:nan:1": "'nan' is no number",
    "n=bounded::": "at least one bound",
    "n=bounded:1:1": "must rise",
    "n=integer:0.5:": "whole numbers",
    "n=circular": "write n=circular:PERIOD",
    "n=circular:0:360": "write n=circular:PERIOD",
    "n=circular:": "'' is no number",
    "n=circular:0": "positive and finite",
    "n=circular:inf": "positive and finite",
    "n=continuous:0:1": "write n=continuous[.]$",
    "n=date": "other values than dates",
    "day=date:seen": "write day=date[.]$",
}


@pytest.mark.parametrize(("text", "told"), NO_KINDS.items(), ids=NO_KINDS)
def test_kinds_that_cannot_be_are_told_in_words_of_the_option(text, told):
    with pytest.raises(InvalidParameterError, match=f"--kinds .*{told}"):
        declarations([text], make_table())


def test_each_column_has_one_kind():
    with pytest.raises(InvalidParameterError, match="--kinds names column 'n' twice"):
        declarations(["n=integer", "n=categorical"], make_table())


def test_names_may_hold_what_separates():
    table = make_table().rename(columns={"n": "a=b"})
    told = declarations(["a=b=integer:0:"], table)
    assert told == {"kinds": {"a=b": "integer"}, "bounds": {"a=b": (0.0, np.inf)}, "periods": {}}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_declared(kind):
    numbers = {"circular": ":24", "bounded": "::9"}.get(kind, "")
    told = declarations([f"day={kind}{numbers}"], make_table())
    assert told["kinds"] == {"day": kind}


def test_columns_without_names_are_declared_as_they_are_called():
    assert declarations(["x1=integer"], np.ones((3, 2)))["kinds"] == {1: "integer"}

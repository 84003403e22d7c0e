"""Workbooks of Excel: what is read, written and refused."""

import numpy as np
import pandas as pd
import pytest

from flowkit.cli import _workbooks
from flowkit.cli._tables import read_table, write_table
from flowkit.exceptions import (
    FlowkitWarning,
    InvalidDataError,
    InvalidFileError,
    MissingDependencyError,
    UnknownNameError,
)

from .conftest import call, make_table


@pytest.fixture
def openpyxl():
    return pytest.importorskip("openpyxl")


@pytest.fixture
def workbook(openpyxl, tmp_path):
    """The table, in a sheet behind another one."""
    path = tmp_path / "table.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"about": ["rows"]}).to_excel(writer, sheet_name="cover", index=False)
        make_table().to_excel(writer, sheet_name="data", index=False)
    return path


def test_what_reads_workbooks_is_named_where_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setitem(_workbooks.ENGINES, ".xlsx", "no_such_package")
    (tmp_path / "table.xlsx").write_bytes(b"")
    with pytest.raises(MissingDependencyError, match="pip install no_such_package"):
        read_table(str(tmp_path / "table.xlsx"))


def test_a_sheet_is_read_as_text_would_be(workbook, tmp_path):
    make_table().to_csv(tmp_path / "table.csv", index=False)
    read = read_table(str(workbook), sheet="data")
    pd.testing.assert_frame_equal(
        read, read_table(str(tmp_path / "table.csv")), check_dtype=False, rtol=1e-12
    )
    assert read["day"].dtype.kind == "M"


def test_the_first_of_several_sheets_is_read_and_told(workbook):
    with pytest.warns(FlowkitWarning, match=r"'cover', 'data'.*--sheet"):
        assert read_table(str(workbook)).columns.tolist() == ["about"]
    with pytest.raises(UnknownNameError, match=r"'cover', 'data'.*'dat'"):
        read_table(str(workbook), sheet="dat")


def test_columns_without_name_and_values_are_left_out(openpyxl, tmp_path):
    path = tmp_path / "table.xlsx"
    book = openpyxl.Workbook()
    for row in (["a", None, "b", None], [1, None, None, None], [2, None, 3, None]):
        book.active.append(row)
    book.active.cell(9, 9).value = ""
    book.save(path)
    assert read_table(str(path)).columns.tolist() == ["a", "b"]


def test_a_file_that_is_no_workbook_is_told(openpyxl, tmp_path):
    path = tmp_path / "table.xlsx"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InvalidFileError, match=r"cannot be read as xlsx.*such a file\.$"):
        read_table(str(path))


def test_what_is_written_can_be_read(openpyxl, tmp_path):
    path = str(tmp_path / "out.xlsx")
    columns = {
        "=name": ["=1+1", "text", "-3"],
        "number": [0.1, -np.inf, np.nan],
        "whole": pd.array([1, None, 3], dtype="Int64"),
        "day": list(pd.to_datetime(["2024-01-31", "2024-02-01", None])),
    }
    write_table(columns, path, "csv")
    read = pd.read_excel(path)
    assert read.columns.tolist() == list(columns)
    assert read["=name"].tolist() == columns["=name"]
    np.testing.assert_array_equal(read["number"].astype(float), columns["number"])
    assert read["whole"].isna().tolist() == [False, True, False]
    assert read["day"].tolist()[:2] == columns["day"][:2]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["a\x07b"], "column 'x'.*control characters"),
        ([pd.Timestamp("2024-01-01", tz="UTC")], "column 'x'.*time zone"),
        (range(2**20), "1,048,576 rows"),
    ],
    ids=["control character", "time zone", "rows"],
)
def test_what_no_workbook_holds_is_refused(openpyxl, tmp_path, values, told):
    path = tmp_path / "out.xlsx"
    path.write_text("what was there")
    with pytest.raises(InvalidDataError, match=told):
        write_table({"x": values}, str(path), "csv")
    assert path.read_text() == "what was there"


def test_commands_read_and_write_workbooks(files, workbook, tmp_path):
    out, learned = tmp_path / "out.xlsx", tmp_path / "learned.flow"
    table = [workbook, "--sheet", "data"]
    done = call("fit", *table, "-o", learned, "--drop", "day", "--max-epochs", 1, "--quiet")
    assert done.status == 0, done.err
    assert call("score", files.density, *table, "--target", "label", "-o", out).status == 0
    as_text = call("score", files.density, files.table, "--target", "label")
    scores = pd.read_excel(out)
    assert scores.columns.tolist() == ["row", "log_density", "label"]
    told = [float(line.split(",")[1]) for line in as_text.out.splitlines()[1:]]
    np.testing.assert_allclose(scores["log_density"], told, rtol=1e-9)
    done = call("detect", *table, "--model", files.detector, "--top", 3, "-o", out)
    assert done.status == 0, done.err
    found = pd.read_excel(out)
    assert found["row"].tolist()[0] == 8
    assert found.columns.tolist() == ["row", "p_value", "score", "reasons"]
    assert call("sample", learned, "-n", 4, "-o", out).status == 0
    assert len(pd.read_excel(out)) == 4

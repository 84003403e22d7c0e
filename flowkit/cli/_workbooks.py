"""Workbooks, such as those of Excel, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from .._optional import require
from ..exceptions import FlowkitWarning, InvalidDataError, UnknownNameError
from ..validation import warn

# What pandas reads workbooks with.
ENGINES = {".xlsx": "openpyxl", ".xlsm": "openpyxl", ".xls": "xlrd", ".ods": "odf"}
# Rows of a sheet, of which the first has the names.
_MOST_ROWS = 2**20


def read_workbook(path: str, sheet: str | None = None):
    """Read a sheet of a workbook, whose first row has the names of the columns.

    Parameters
    ----------
    path : str
        The file.
    sheet : str, default=None
        Name of the sheet; None for the first, with a `FlowkitWarning` where there are more.

    Returns
    -------
    DataFrame
        Of pandas, without columns that have neither a name nor a value.

    Raises
    ------
    UnknownNameError
        If there is no such sheet.
    MissingDependencyError
        If what reads it is not installed.
    """
    suffix = Path(path).suffix.lower()
    pd = require("pandas", f"reading {suffix[1:]}", "give an .npz file of numbers")
    require(ENGINES[suffix], f"reading {suffix[1:]}", "give CSV")
    with pd.ExcelFile(path) as book:
        names = [str(name) for name in book.sheet_names]
        told = ", ".join(map(repr, names))
        if sheet is None and len(names) > 1:
            warn(
                f"{path!r} has the sheets {told}: the first is read. Choose one by --sheet.",
                FlowkitWarning,
            )
        if sheet is not None and sheet not in names:
            raise UnknownNameError(
                f"--sheet must be one of {told}, the sheets of {path!r}, got {sheet!r}."
            )
        table = pd.read_excel(book, sheet_name=names[0] if sheet is None else sheet)
    # What was once in a cell can widen a sheet.
    unused = [
        name
        for name in table.columns
        if str(name).startswith("Unnamed: ") and table[name].isna().all()
    ]
    return table.drop(columns=unused)


def write_workbook(columns: Mapping, file: BinaryIO) -> None:
    """Write a workbook of one sheet.

    Parameters
    ----------
    columns : mapping of str to list
        Columns, all of one length.
    file : binary file
        Where to.

    Raises
    ------
    InvalidDataError
        If a workbook cannot hold a value, or so many rows.
    MissingDependencyError
        If what writes it is not installed.
    """
    pd = require("pandas", "writing Excel", "write CSV")
    require("openpyxl", "writing Excel", "write CSV")
    _check_values(columns)
    with pd.ExcelWriter(file, engine="openpyxl") as writer:
        pd.DataFrame(columns).to_excel(writer, index=False)
        # Text that begins with "=" is taken for a formula.
        for row in writer.book.active.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    cell.data_type = "s"


def _check_values(columns):
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    for name, values in columns.items():
        if len(values) >= _MOST_ROWS:
            raise InvalidDataError(
                f"{len(values):,} rows are more than a sheet of a workbook holds, "
                f"{_MOST_ROWS - 1:,}: write CSV or Parquet."
            )
        for value in (name, *values):
            if isinstance(value, str) and ILLEGAL_CHARACTERS_RE.search(value):
                raise InvalidDataError(
                    f"column {name!r} has text with control characters, {value!r}, which workbooks "
                    "do not hold: write CSV or Parquet."
                )
            if getattr(value, "tzinfo", None) is not None:
                raise InvalidDataError(
                    f"column {name!r} has times in a time zone, {value}, which workbooks do not "
                    "hold: write CSV or Parquet."
                )

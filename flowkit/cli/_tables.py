"""Tables in files: CSV, Parquet, Excel and npz, read and written."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
import sys
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .._optional import require
from .._replacing import check_place, replacing
from ..exceptions import (
    InvalidDataError,
    InvalidFileError,
    InvalidParameterError,
    MissingFileError,
)
from ..validation import is_missing_value
from ._workbooks import ENGINES, read_workbook, write_workbook

STANDARD = "-"
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t"}
_PARQUET = (".parquet", ".pq")
# What text is a date.
ISO_DATE = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?"

_ZONE = r" ?(Z|[+-]\d{2}:?\d{2})"
_DECIMAL_COMMA = r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?"


def read_table(
    path: str,
    *,
    separator: str | None = None,
    array: str | None = None,
    sheet: str | None = None,
):
    """Read a table.

    Parameters
    ----------
    path : str
        The file; ``'-'`` is CSV from standard input.
    separator : str, default=None
        Character between cells of text; None finds it in the first line.
    array : str, default=None
        Which array of an npz file has the rows; None for the only one of two dimensions, or X.
    sheet : str, default=None
        Which sheet of a workbook has the rows; None for the first.

    Returns
    -------
    DataFrame or ndarray of shape (n_samples, n_features)
        Of pandas, its rows counted from 1, dates in ISO format read as dates; an array of npz.
        Text with offsets of time zones is read as UTC, dates in a zone as the clock there shows.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InvalidFileError
        If it cannot be read as what its name says.
    InvalidDataError
        If it holds no rows.
    InvalidParameterError
        If its name does not tell its format, or `array` or `sheet` name none.
    MissingDependencyError
        If what reads it is not installed.
    """
    suffix = ".csv" if path == STANDARD else Path(path).suffix.lower()
    if path != STANDARD and not Path(path).is_file():
        raise MissingFileError(f"there is no file {path!r}: check the path.")
    try:
        if suffix == ".npz":
            return _read_arrays(path, array)
        table = _read_frame(path, suffix, separator, sheet)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, InvalidDataError | InvalidFileError | InvalidParameterError):
            raise
        text = ", its --separator and that it is UTF-8" if suffix in _SEPARATORS else ""
        raise InvalidFileError(
            f"{path!r} cannot be read as {suffix[1:]}: {str(error).rstrip('.')}. Check that it is "
            f"such a file{text}."
        ) from error
    if not len(table):
        raise InvalidDataError(f"{path!r} holds no rows: give a table with at least one.")
    table.columns = [str(name) for name in table.columns]
    return _with_dates(_without_index(table))


def _read_frame(path, suffix, separator, sheet):
    if suffix in ENGINES:
        return read_workbook(path, sheet)
    pd = require("pandas", f"reading {suffix[1:]}", "give an .npz file of numbers")
    if suffix in _SEPARATORS:
        source = sys.stdin if path == STANDARD else path
        # Of standard input there is no second look at the first line.
        separator = separator or ("," if path == STANDARD else _separator(path, suffix))
        try:
            with warnings.catch_warnings():
                # What is lost otherwise.
                warnings.simplefilter("error", pd.errors.ParserWarning)
                # To pandas cells without a name would be the index, and all others shift.
                exact = {"index_col": False}
                if int(pd.__version__.split(".")[0]) < 3:
                    # The number that was written, not one of its neighbours: scores of both differ.
                    exact["float_precision"] = "round_trip"
                table = pd.read_csv(source, sep=separator, skipinitialspace=True, **exact)
        except pd.errors.ParserWarning as warning:
            raise InvalidFileError(
                f"{path!r} has rows of more cells than its first line has names: give each column "
                "a name there, or take these cells out."
            ) from warning
        return _with_decimal_commas(table) if separator == ";" else table
    if suffix in _PARQUET:
        require("pyarrow.parquet", "reading Parquet", "give CSV")
        return pd.read_parquet(path)
    raise InvalidParameterError(
        f"{path!r} has a name whose ending tells no format: name it .csv, .tsv, .parquet, .xlsx or "
        ".npz."
    )


def _separator(path, suffix):
    """The character that is most frequent in the first line, of those that separate cells."""
    with open(path, encoding="utf-8-sig") as file:
        first = file.readline()
    return max((_SEPARATORS[suffix], ",", ";", "\t", "|"), key=first.count)


def _with_decimal_commas(table):
    """A frame whose columns of text that holds numbers with decimal commas are numbers."""
    for name in table.columns:
        known = table[name].dropna()
        is_text = len(known) and all(isinstance(value, str) for value in known)
        if is_text and known.str.fullmatch(_DECIMAL_COMMA).all():
            table[name] = table[name].str.replace(",", ".").astype(float)
    return table


def _without_index(table):
    """A frame without the index that pandas wrote as a column of no name."""
    first = table.columns[0]
    if first.startswith("Unnamed: ") and len(table.columns) > 1:
        values = table[first].to_numpy()
        if np.array_equal(values, np.arange(len(table))):
            table = table.drop(columns=first)
    table.index = np.arange(1, len(table) + 1)
    return table


def _with_dates(table):
    """A frame whose columns of text in ISO format, and of days, are dates without a time zone."""
    pd = require("pandas", "reading dates")
    for name in table.columns:
        column = table[name]
        if getattr(column.dtype, "tz", None) is not None:
            table[name] = column.dt.tz_localize(None)
        if column.dtype.kind in "iufbM" or not column.notna().any():
            continue
        known = column.dropna()
        is_text = all(isinstance(value, str) for value in known)
        in_zone = is_text and known.str.fullmatch(ISO_DATE + _ZONE).all()
        is_text = in_zone or (is_text and known.str.fullmatch(ISO_DATE).all())
        # Parquet hands over days as objects.
        if is_text or set(map(type, known)) == {datetime.date}:
            form = "ISO8601" if is_text else None
            dates = pd.to_datetime(column, format=form, errors="coerce", utc=bool(in_zone))
            if dates.notna().sum() == len(known):
                table[name] = dates.dt.tz_localize(None)
    return table


def _read_arrays(path, name):
    with np.load(path, allow_pickle=False) as file:
        shapes = {key: file[key].ndim for key in file.files}
        tables = [key for key, n_dimensions in shapes.items() if n_dimensions == 2]
        if name is None:
            name = "X" if "X" in tables or len(tables) != 1 else tables[0]
        if name not in tables:
            raise InvalidParameterError(
                f"{path!r} has no array {name!r} of two dimensions, but {sorted(shapes)}: choose "
                f"one of {sorted(tables)} by --array."
            )
        rows = file[name]
    if not len(rows):
        raise InvalidDataError(f"array {name!r} of {path!r} holds no rows.")
    return rows


def write_table(columns: Mapping, output: str | None, form: str) -> None:
    """Write a table.

    Parameters
    ----------
    columns : mapping of str to sequence
        Columns, all of one length.
    output : str or None
        The file, whose name tells the format; None for standard output.
    form : {'csv', 'json'}
        The format on standard output.

    Raises
    ------
    InvalidParameterError
        If the name of the file does not tell a format.
    InvalidDataError
        If an npz file is asked for, and a column does not hold numbers; or a workbook, which holds
        no times in a time zone, no control characters and about a million rows.
    InvalidFileError
        If it cannot be written; what it held before is whole then.
    MissingDependencyError
        If what writes it is not installed.
    """
    columns = {str(name): list(values) for name, values in columns.items()}
    if output is None:
        _WRITERS[f".{form}"](columns, sys.stdout)
        return
    suffix = Path(output).suffix.lower()
    check_output(output)
    try:
        with replacing(output) as file:
            if suffix in _BINARY:
                _BINARY[suffix](columns, file)
            else:
                text = io.TextIOWrapper(file, encoding="utf-8", newline="")
                _WRITERS[suffix](columns, text)
                text.detach()
    except OSError as error:
        raise InvalidFileError(f"{output!r} cannot be written: {error.strerror}.") from error


def check_output(output: str | None) -> None:
    """Refuse a file whose name does not tell a format of tables, or that cannot be written.

    Parameters
    ----------
    output : str or None
        As for `write_table`.

    Raises
    ------
    InvalidParameterError
        If its name does not tell a format.
    InvalidFileError
        If no file can be put there.
    """
    if output is None:
        return
    known = [*_WRITERS, *_BINARY]
    if Path(output).suffix.lower() not in known:
        raise InvalidParameterError(
            f"--output {output!r} has a name whose ending tells no format: use one of "
            f"{', '.join(known)}."
        )
    check_place(output)


def _write_csv(columns, file):
    _write_text(columns, file, ",")


def _write_tsv(columns, file):
    _write_text(columns, file, "\t")


def _write_text(columns, file, separator):
    writer = csv.writer(file, delimiter=separator, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if is_missing_value(value) else value for value in row])


def _write_json(columns, file):
    rows = zip(*columns.values(), strict=True)
    json.dump([dict(zip(columns, map(plain, row), strict=True)) for row in rows], file, indent=1)
    file.write("\n")


def _write_parquet(columns, file):
    require("pyarrow", "writing Parquet", "write CSV")
    pd = require("pandas", "writing Parquet", "write CSV")
    file.write(pd.DataFrame(columns).to_parquet())


def _write_arrays(columns, file):
    arrays = {name: _as_array(values) for name, values in columns.items()}
    for name, values in arrays.items():
        if values.dtype.kind not in "iufb":
            raise InvalidDataError(
                f"column {name} holds other values than numbers, which npz files do not keep here: "
                "write CSV or Parquet."
            )
    # As np.savez does, whose own arguments some columns are called like.
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _as_array(values):
    """A column as an array, NaN where a value is missing."""
    return np.array([np.nan if is_missing_value(value) else value for value in values])


_WRITERS = {".csv": _write_csv, ".tsv": _write_tsv, ".json": _write_json}
_BINARY = {
    ".parquet": _write_parquet,
    ".xlsx": write_workbook,
    ".npz": _write_arrays,
}


def plain(value):
    """A value as JSON has it: infinite numbers and dates as text."""
    if is_missing_value(value):
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool) else str(value)

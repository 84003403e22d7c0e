"""Tables of pandas and polars, their labels and dtypes in files."""

from __future__ import annotations

import re

import numpy as np

from .._optional import require
from ._codec import Codec, expect

_EXTENSIONS = (
    "boolean",
    *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    "Float32",
    "Float64",
)
_POLARS = (
    *(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)),
    "Float32",
    "Float64",
    "Boolean",
    "String",
    "Categorical",
    "Date",
    "Time",
    "Null",
)


def _pandas():
    return require("pandas", "a file with a table of pandas")


def _polars():
    return require("polars", "a file with a table of polars")


def _values(labels, encoder):
    """JSON of the values of a column of pandas: an array of numbers or dates, else a list."""
    is_numpy = isinstance(labels.dtype, np.dtype) and labels.dtype.kind in "biufmM"
    return encoder.value(labels.to_numpy() if is_numpy else labels.tolist())


def _dtype(labels):
    """The dtype of a column of pandas."""
    dtype = labels.dtype
    if _is_pandas(dtype, "CategoricalDtype"):
        # Before version 3, pandas makes another object of it for each column that is loaded.
        return type(dtype)(dtype.categories, dtype.ordered)
    return dtype


def _zone(name):
    """The name of a time zone; pandas would take some names for paths of files."""
    is_name = name is None or re.fullmatch(r"[A-Z][\w+\-]*(/[A-Z][\w+\-]*)*", name)
    expect(bool(is_name), "a time zone that is none")
    return name


def _is_pandas(value, *names):
    cls = type(value)
    return cls.__module__.partition(".")[0] == "pandas" and cls.__name__ in names


class _Index(Codec):
    tag = "pandas_index"

    def takes(self, value):
        return _is_pandas(value, "Index", "DatetimeIndex", "CategoricalIndex")

    def encode(self, value, encoder):
        parts = {"dtype": _dtype(value), "name": value.name}
        return {"labels": _values(value, encoder), **encoder.fields(parts)}

    def decode(self, fields, decoder):
        parts = decoder.fields(fields)
        return _pandas().Index(parts["labels"], dtype=parts["dtype"], name=parts["name"])


class _Series(Codec):
    """Columns of pandas."""

    tag = "pandas_series"

    def takes(self, value):
        return _is_pandas(value, "Series")

    def encode(self, value, encoder):
        parts = {"dtype": _dtype(value), "name": value.name, "index": value.index}
        return {"values": _values(value, encoder), **encoder.fields(parts)}

    def decode(self, fields, decoder):
        parts = decoder.fields(fields)
        index, values = parts["index"], parts["values"]
        return _pandas().Series(values, index, dtype=parts["dtype"], name=parts["name"])


class _Frame(Codec):
    """Tables of pandas."""

    tag = "pandas_frame"

    def takes(self, value):
        return _is_pandas(value, "DataFrame")

    def encode(self, value, encoder):
        columns = [value.iloc[:, j] for j in range(value.shape[1])]
        return encoder.fields({"index": value.index, "labels": value.columns, "columns": columns})

    def decode(self, fields, decoder):
        parts = decoder.fields(fields)
        frame = _pandas().DataFrame(dict(enumerate(parts["columns"])), parts["index"])
        frame.columns = parts["labels"]
        return frame


class _RangeIndex(Codec):
    tag = "pandas_range"

    def takes(self, value):
        return _is_pandas(value, "RangeIndex")

    def encode(self, value, encoder):
        name = encoder.value(value.name)
        return {"items": [value.start, value.stop, value.step], "name": name}

    def decode(self, fields, decoder):
        start, stop, step = fields["items"]
        return _pandas().RangeIndex(start, stop, step, name=decoder.value(fields["name"]))


class _Categories(Codec):
    tag = "pandas_categories"

    def takes(self, value):
        return _is_pandas(value, "CategoricalDtype")

    def encode(self, value, encoder):
        return {"categories": encoder.value(value.categories), "ordered": bool(value.ordered)}

    def decode(self, fields, decoder):
        categories = decoder.value(fields["categories"])
        return _pandas().CategoricalDtype(categories, ordered=fields["ordered"] is True)


class _PandasText(Codec):
    tag = "pandas_text"

    def takes(self, value):
        return _is_pandas(value, "StringDtype")

    def encode(self, value, encoder):
        return {"storage": value.storage, "na_value": encoder.value(value.na_value)}

    def decode(self, fields, decoder):
        storage, na_value = fields["storage"], decoder.value(fields["na_value"])
        return _pandas().StringDtype(storage, na_value)


class _Missing(Codec):
    """The values for missing of pandas."""

    tag = "pandas_missing"

    def takes(self, value):
        return _is_pandas(value, "NAType", "NaTType")

    def encode(self, value, encoder):
        return {"name": "NaT" if type(value).__name__ == "NaTType" else "NA"}

    def decode(self, fields, decoder):
        expect(fields["name"] in ("NA", "NaT"), "another value for missing than pandas has")
        return getattr(_pandas(), fields["name"])


class _Extension(Codec):
    """Dtypes of pandas that a name says all of."""

    tag = "pandas_dtype"

    def takes(self, value):
        return type(value).__module__.startswith("pandas.") and str(value) in _EXTENSIONS

    def encode(self, value, encoder):
        return {"name": str(value)}

    def decode(self, fields, decoder):
        expect(fields["name"] in _EXTENSIONS, f"a dtype called {str(fields['name'])[:40]}")
        return _pandas().api.types.pandas_dtype(fields["name"])


class _ZonedTimes(Codec):
    tag = "pandas_times"

    def takes(self, value):
        return _is_pandas(value, "DatetimeTZDtype")

    def encode(self, value, encoder):
        return {"unit": value.unit, "zone": str(value.tz)}

    def decode(self, fields, decoder):
        return _pandas().DatetimeTZDtype(fields["unit"], _zone(fields["zone"]))


class _Timestamp(Codec):
    tag = "pandas_time"

    def takes(self, value):
        return _is_pandas(value, "Timestamp")

    def encode(self, value, encoder):
        zone = None if value.tz is None else str(value.tz)
        return {"value": value.value, "unit": value.unit, "zone": zone}

    def decode(self, fields, decoder):
        time = _pandas().Timestamp(fields["value"], unit="ns", tz=_zone(fields["zone"]))
        return time.as_unit(fields["unit"])


class _PolarsDtype(Codec):
    tag = "polars_dtype"

    def takes(self, value):
        module = type(value).__module__
        named = type(value).__name__ in (*_POLARS, "Enum", "Datetime", "Duration")
        return module.startswith("polars.datatypes") and named

    def encode(self, value, encoder):
        name, fields = type(value).__name__, {}
        if name == "Enum":
            fields["categories"] = list(value.categories)
        elif name in ("Datetime", "Duration"):
            fields["unit"] = value.time_unit
            fields["zone"] = getattr(value, "time_zone", None)
        return {"name": name, **fields}

    def decode(self, fields, decoder):
        pl, name = _polars(), fields["name"]
        if name == "Enum":
            return pl.Enum(fields["categories"])
        if name == "Datetime":
            return pl.Datetime(fields["unit"], fields["zone"])
        if name == "Duration":
            return pl.Duration(fields["unit"])
        expect(name in _POLARS, f"a dtype called {str(name)[:40]}")
        return getattr(pl, name)()


class _PolarsColumn(Codec):
    """Columns of polars."""

    tag = "polars_series"

    def takes(self, value):
        return type(value).__module__.startswith("polars.") and type(value).__name__ == "Series"

    def encode(self, value, encoder):
        parts = {"name": value.name, "values": value.to_list(), "dtype": value.dtype}
        return encoder.fields(parts)

    def decode(self, fields, decoder):
        parts = decoder.fields(fields)
        return _polars().Series(parts["name"], parts["values"], dtype=parts["dtype"])


class _PolarsFrame(Codec):
    """Tables of polars."""

    tag = "polars_frame"

    def takes(self, value):
        return type(value).__module__.startswith("polars.") and type(value).__name__ == "DataFrame"

    def encode(self, value, encoder):
        return encoder.fields({"columns": value.get_columns()})

    def decode(self, fields, decoder):
        return _polars().DataFrame(decoder.value(fields["columns"]))


CODECS = (
    _Index(),
    _Series(),
    _Frame(),
    _RangeIndex(),
    _Categories(),
    _PandasText(),
    _Missing(),
    _Extension(),
    _ZonedTimes(),
    _Timestamp(),
    _PolarsDtype(),
    _PolarsColumn(),
    _PolarsFrame(),
)

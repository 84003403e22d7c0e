"""Lists, tables and other values of Python itself in files."""

from __future__ import annotations

import datetime
import pathlib
from collections import OrderedDict

from sklearn.utils import Bunch

from ._codec import Codec, expect


class _Items(Codec):
    """Values in their order.

    Parameters
    ----------
    kind : type
        What they are in.
    """

    def __init__(self, kind):
        self.kind, self.tag = kind, kind.__name__
        self.types = (f"builtins.{kind.__name__}",)
        self.is_ordered = kind in (list, tuple)

    def encode(self, value, encoder):
        items = encoder.values(value)
        # Sets have another order in every process.
        return {"items": items if self.is_ordered else sorted(items, key=repr)}

    def decode(self, fields, decoder):
        return self.kind([decoder.value(item) for item in fields["items"]])


class _Table(Codec):
    """Values by their keys.

    Parameters
    ----------
    kind : type
        What they are in, a subclass of dict.
    """

    def __init__(self, kind):
        self.kind, self.tag = kind, kind.__name__.lower()
        self.types = (f"{kind.__module__}.{kind.__qualname__}",)

    def encode(self, value, encoder):
        if all(type(key) is str for key in value):
            return {"values": encoder.fields(value)}
        return {"pairs": [[encoder.value(k), encoder.value(v)] for k, v in value.items()]}

    def decode(self, fields, decoder):
        found = self.kind()
        if "values" in fields:
            found.update(decoder.fields(fields["values"]))
        else:
            found.update((decoder.value(k), decoder.value(v)) for k, v in fields["pairs"])
        return found


class _Slice(Codec):
    tag, types = "slice", ("builtins.slice",)

    def encode(self, value, encoder):
        return {"items": [encoder.value(n) for n in (value.start, value.stop, value.step)]}

    def decode(self, fields, decoder):
        start, stop, step = (decoder.value(n) for n in fields["items"])
        return slice(start, stop, step)


class _Range(Codec):
    tag, types = "range", ("builtins.range",)

    def encode(self, value, encoder):
        return {"items": [value.start, value.stop, value.step]}

    def decode(self, fields, decoder):
        expect(all(type(n) is int for n in fields["items"]), "a range of other things than numbers")
        return range(*fields["items"])


class _Date(Codec):
    """Dates and times of the standard library, without a zone."""

    tag, types = "date", ("datetime.date", "datetime.datetime")

    def encode(self, value, encoder):
        if getattr(value, "tzinfo", None) is not None:
            raise encoder.refusal("a time with a zone")
        return {"kind": type(value).__name__, "value": value.isoformat()}

    def decode(self, fields, decoder):
        expect(fields["kind"] in ("date", "datetime"), "a date that is none")
        return getattr(datetime, fields["kind"]).fromisoformat(fields["value"])


class _Path(Codec):
    """Paths, such as that of a checkpoint."""

    tag = "path"
    types = tuple(
        f"{cls.__module__}.{cls.__name__}" for cls in (pathlib.PosixPath, pathlib.WindowsPath)
    )

    def encode(self, value, encoder):
        return {"value": str(value)}

    def decode(self, fields, decoder):
        expect(type(fields["value"]) is str, "a path that is none")
        return pathlib.Path(fields["value"])


CODECS = (
    *map(_Items, (list, tuple, set, frozenset)),
    *map(_Table, (dict, OrderedDict, Bunch)),
    _Slice(),
    _Range(),
    _Date(),
    _Path(),
)

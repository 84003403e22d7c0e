"""Arrays, numbers and dtypes of numpy in files."""

from __future__ import annotations

import datetime
import math

import numpy as np
import scipy.special

from ._codec import Codec, expect
from ._tensors import is_storable

# Kinds of dtypes whose single numbers are exact in JSON.
_NUMBERS = "biuf"
_DATES = "mM"


def _dtype(name):
    """The dtype of a name; before version 2, numpy takes some lengths of text for negative ones."""
    dtype = np.dtype(name)
    expect(dtype.str == name, f"a dtype called {str(name)[:40]}")
    return dtype


class _Array(Codec):
    """Arrays of numbers, dates and durations."""

    tag, types = "array", ("numpy.ndarray", "numpy.memmap")

    def encode(self, value, encoder):
        value, fields = np.asarray(value), {}
        if value.dtype.kind == "O":
            encoder.take(value.nbytes)
            return {"shape": list(value.shape), "objects": encoder.values(value.ravel().tolist())}
        if value.dtype.kind == "U":
            encoder.take(value.nbytes)
            texts = value.ravel().tolist()
            return {"shape": list(value.shape), "dtype": value.dtype.str, "texts": texts}
        if value.dtype.kind in _DATES:
            dtype = value.dtype.newbyteorder("<")
            fields["dtype"], value = dtype.str, value.astype(dtype).view(np.int64)
        if not is_storable(value.dtype):
            raise encoder.refusal(f"an array of dtype {value.dtype}")
        if value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous:
            # Sums over another memory layout differ in the last bits.
            fields["order"], value = "F", value.T
        return {"array": encoder.array(value), **fields}

    def decode(self, fields, decoder):
        if "array" in fields:
            return self._numbers(decoder.array(fields["array"]), fields)
        shape = tuple(fields["shape"])
        items = fields["objects"] if "objects" in fields else fields["texts"]
        expect(math.prod(shape) == len(items), "an array of another size than its shape has")
        dtype = np.dtype(object) if "objects" in fields else _dtype(fields["dtype"])
        decoder.take(max(dtype.itemsize, 1) * len(items))
        array = np.empty(len(items), dtype)
        if "objects" in fields:
            # One by one, as numpy would look into items that are lists.
            for i, item in enumerate(items):
                array[i] = decoder.value(item)
        else:
            expect(
                dtype.kind == "U" and all(type(t) is str for t in items), "text of another dtype"
            )
            array[:] = items
        return array.reshape(shape)

    def _numbers(self, array, fields):
        if fields.get("order") == "F":
            array = array.T
        if "dtype" in fields:
            dtype = _dtype(fields["dtype"])
            expect(dtype.kind in _DATES and array.dtype == np.int64, f"dates as {dtype}")
            array = array.view(dtype)
        return array


class _Scalar(Codec):
    """Single numbers, dates and texts with a dtype of their own."""

    tag = "number"

    def takes(self, value):
        return isinstance(value, np.generic) and value.dtype.kind in _NUMBERS + _DATES + "U"

    def encode(self, value, encoder):
        dtype = value.dtype.newbyteorder("<").str
        if value.dtype.kind == "U":
            return {"dtype": "<U", "value": str(value)}
        if value.dtype.kind in _DATES:
            return {"dtype": dtype, "value": int(value.view(np.int64))}
        if not is_storable(value.dtype):
            raise encoder.refusal(f"a number of dtype {value.dtype}")
        return {"dtype": dtype, "value": encoder.value(value.item())}

    def decode(self, fields, decoder):
        dtype, value = np.dtype(fields["dtype"]), decoder.value(fields["value"])
        if dtype.kind == "U":
            expect(type(value) is str, "text that is none")
            return np.str_(value)
        expect(type(value) in (bool, int, float), "a number that is none")
        if dtype.kind in _DATES:
            return np.int64(value).view(dtype)
        expect(is_storable(dtype), f"a number of dtype {dtype}")
        return dtype.type(value)


class _Dtype(Codec):
    tag = "dtype"

    def takes(self, value):
        return isinstance(value, np.dtype) and value.fields is None and value.subdtype is None

    def encode(self, value, encoder):
        return {"name": value.str}

    def decode(self, fields, decoder):
        return _dtype(fields["name"])


class _Type(Codec):
    """Types of numbers and dates themselves, as parameters that state a dtype have them."""

    tag, types = "type", ("builtins.type",)
    _NAMED = {
        **{cls.__name__: cls for cls in np.sctypeDict.values()},
        **{cls.__name__: cls for cls in (bool, int, float, str, object)},
        **{cls.__name__: cls for cls in (datetime.date, datetime.datetime, datetime.timedelta)},
    }

    def encode(self, value, encoder):
        if self._NAMED.get(value.__name__) is not value:
            raise encoder.refusal(f"the type {value.__module__}.{value.__qualname__}")
        return {"name": value.__name__}

    def decode(self, fields, decoder):
        return self._NAMED[fields["name"]]


class _Ufunc(Codec):
    """Elementwise functions of numpy and scipy, by their names."""

    tag, types = "function", ("numpy.ufunc",)

    def encode(self, value, encoder):
        for library in ("numpy", "scipy.special"):
            if self._named(library, value.__name__) is value:
                return {"library": library, "name": value.__name__}
        raise encoder.refusal(f"the function {value.__name__}")

    def decode(self, fields, decoder):
        found = self._named(fields["library"], fields["name"])
        expect(isinstance(found, np.ufunc), f"a function called {str(fields['name'])[:40]}")
        return found

    def _named(self, library, name):
        # Attributes that are not there yet would be imported.
        return vars({"numpy": np, "scipy.special": scipy.special}[library]).get(name)


CODECS = (_Array(), _Scalar(), _Dtype(), _Type(), _Ufunc())

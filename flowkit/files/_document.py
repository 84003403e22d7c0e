"""An estimator as a list of objects in JSON, each of which refers to earlier ones only.

So there are no circles, shared objects stay shared, and reading is one loop.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..exceptions import UntrustedTypeError
from . import _arrays, _containers, _frames, _instances, _random_states, _torch_values, _trees
from ._codec import expect

_ROOMS = (_containers, _arrays, _random_states, _torch_values, _trees, _frames, _instances)
_CODECS = [codec for room in _ROOMS for codec in room.CODECS]
_BY_TYPE = {name: codec for codec in _CODECS for name in codec.types}
_BY_TAG = {codec.tag: codec for codec in _CODECS}
# What JSON has itself.
_PLAIN = (type(None), bool, int, str)


class Encoder:
    """Turns an estimator into JSON and arrays.

    Attributes
    ----------
    objects : list of dict
        JSON of each object, in an order in which each refers to earlier ones only.
    arrays : list of ndarray
        The arrays that they refer to.
    taken : int
        Bytes of memory that the objects will take beside their arrays, as far as is known.
    """

    def __init__(self):
        self.objects, self.arrays, self.taken = [], [], 0
        self._places: dict[int, int] = {}
        self._open: set[int] = set()
        # An object that is gone would leave its identity to another one.
        self._kept: list = []
        self._path: list[str] = []

    def value(self, value: Any) -> Any:
        """JSON of a value: itself, or where to find it."""
        if type(value) in _PLAIN:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if id(value) not in self._places:
            self._places[id(value)] = self._added(value)
        return {"ref": self._places[id(value)]}

    def values(self, values) -> list:
        """JSON of several values."""
        return [self.value(value) for value in values]

    def fields(self, state: dict) -> dict:
        """JSON of the attributes of an object."""
        fields = {}
        for name, value in state.items():
            self._path.append(name)
            fields[name] = self.value(value)
            self._path.pop()
        return fields

    def array(self, array: np.ndarray) -> int:
        """Store an array; its place."""
        self.arrays.append(array)
        return len(self.arrays) - 1

    def take(self, n_bytes: int) -> None:
        """Say what an object will take beside its arrays."""
        self.taken += n_bytes

    def refusal(self, what: str) -> UntrustedTypeError:
        """The error that says what cannot be saved, and where it is."""
        place = ".".join(self._path)
        where = f" in {place}" if place else ""
        return UntrustedTypeError(
            f"there is {what}{where}. Files hold plain values, arrays, and instances of classes of "
            "flowkit and of some of scikit-learn's, as nothing else can be loaded without running "
            "its code. Take it out, for example by set_params, or use pickle."
        )

    def _added(self, value):
        if id(value) in self._open:
            raise self.refusal(f"an instance of {_qualified(type(value))} that holds itself")
        self._open.add(id(value))
        self._kept.append(value)
        codec = _codec_of(value)
        fields = codec.encode(value, self)
        self._open.remove(id(value))
        self.objects.append({"is": codec.tag, **fields})
        return len(self.objects) - 1


class Decoder:
    """Turns JSON and arrays into an estimator.

    Parameters
    ----------
    arrays : list of ndarray
        The arrays.
    left : int
        Bytes of memory that the objects may take beside the arrays.
    device : str or None
        Where modules go; None for where they were.
    """

    def __init__(self, arrays: list[np.ndarray], left: int, device: str | None):
        self._arrays, self.left, self.device = arrays, left, device
        self._objects: list = []

    def read(self, objects: list) -> Any:
        """The last of the objects, of which the others are parts."""
        for fields in objects:
            codec = _BY_TAG[fields["is"]]
            self._objects.append(codec.decode(fields, self))
        return self._objects[-1]

    def value(self, value: Any) -> Any:
        """What JSON stands for."""
        if type(value) in _PLAIN or type(value) is float:
            return value
        ((kind, content),) = value.items()
        if kind == "float":
            return float(content)
        expect(kind == "ref" and type(content) is int and content >= 0, "values of no known kind")
        return self._objects[content]

    def fields(self, fields: dict) -> dict:
        """Attributes of an object."""
        return {name: self.value(value) for name, value in fields.items()}

    def array(self, place: int) -> np.ndarray:
        """A stored array."""
        expect(type(place) is int and place >= 0, "an array that is not there")
        return self._arrays[place]

    def take(self, n_bytes: int) -> None:
        """Refuse what would take more memory than is left."""
        self.left -= n_bytes
        expect(self.left >= 0, "what takes more memory than a file of its size can")


def _codec_of(value):
    found = _BY_TYPE.get(_qualified(type(value)))
    if found is None:
        found = next((codec for codec in _CODECS if codec.takes(value)), None)
    return found


def _qualified(cls):
    return f"{cls.__module__}.{cls.__qualname__}"

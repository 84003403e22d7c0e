"""Instances of the classes that files may hold: a name and the attributes."""

from __future__ import annotations

from sklearn.tree import _tree

from ._allowed import class_named, name_of
from ._codec import Codec, expect
from ._memory import TENSORS, TENSORS_PER_WEIGHT, MemoryLimit, check_sizes


class _Instance(Codec):
    """Estimators, modules and the parts that these are made of."""

    tag = "instance"

    def takes(self, value):
        return not isinstance(value, tuple)

    def encode(self, value, encoder):
        name = _allowed_name(value, encoder)
        state = value.__getstate__() or {}
        if type(state) is not dict:
            raise encoder.refusal(f"an instance of {name}, which has more than attributes")
        return {"class": name, "state": encoder.fields(state)}

    def decode(self, fields, decoder):
        cls, state = class_named(fields["class"]), decoder.fields(fields["state"])
        if decoder.device is not None and "device" in getattr(cls, "_parameter_constraints", ()):
            state |= {name: decoder.device for name in ("device", "_device") if name in state}
        if "checkpoint" in getattr(cls, "_parameter_constraints", ()):
            # No file tells where a later fit writes to.
            state["checkpoint"] = None
        found, weights = cls.__new__(cls), state.pop("_weights", None)
        if hasattr(cls, "__setstate__"):
            found.__setstate__(state)
        else:
            found.__dict__.update(state)
        if weights is not None:
            found._restore_module(weights, _Builder(found, weights, decoder))
        _check_trees(found)
        return found


class _Builder:
    """Builds the module of a density only if it is as large as its weights are.

    Parameters
    ----------
    density : FittedDensity
        Without its module.
    weights : dict of ndarray
        The weights.
    decoder : Decoder
        Says how much memory is left.
    """

    def __init__(self, density, weights, decoder):
        self.density, self.weights, self.decoder = density, weights, decoder

    def __call__(self, config, generator):
        check_sizes(config, self.weights)
        n_tensors = TENSORS + TENSORS_PER_WEIGHT * len(self.weights)
        with MemoryLimit(self.decoder.left, n_tensors):
            module = self.density._build_module(config, generator)
        built = {name: tuple(value.shape) for name, value in module.state_dict().items()}
        given = {name: value.shape for name, value in self.weights.items()}
        expect(built == given, "weights of another network than it states")
        tensors = [*module.parameters(), *module.buffers()]
        self.decoder.take(sum(tensor.nbytes for tensor in tensors))
        return module


def _check_trees(estimator):
    """Decision trees ask for no column that the rows of their estimator do not have."""
    state = vars(estimator)
    n_features, tree = state.get("n_features_in_"), state.get("tree_")
    if isinstance(tree, _tree.Tree):
        expect(tree.n_features == n_features, "a decision tree of other columns")
    for part in state.get("estimators_") or ():
        if hasattr(part, "tree_"):
            expect(part.n_features_in_ == n_features, "decision trees of other columns")


class _Class(Codec):
    """Classes themselves, as a detector holds that of its statistic."""

    tag = "class"

    def takes(self, value):
        return isinstance(value, type)

    def encode(self, value, encoder):
        name = name_of(value)
        if name is None:
            raise encoder.refusal(f"the class {value.__module__}.{value.__qualname__}")
        return {"class": name}

    def decode(self, fields, decoder):
        return class_named(fields["class"])


class _NamedTuple(Codec):
    """Tuples with names."""

    tag = "named_tuple"

    def takes(self, value):
        return isinstance(value, tuple) and hasattr(value, "_fields")

    def encode(self, value, encoder):
        return {"class": _allowed_name(value, encoder), "items": encoder.values(value)}

    def decode(self, fields, decoder):
        cls = class_named(fields["class"])
        items = [decoder.value(item) for item in fields["items"]]
        expect(issubclass(cls, tuple) and len(items) == len(cls._fields), "a tuple that is none")
        return tuple.__new__(cls, items)


def _allowed_name(value, encoder):
    """The name of the class of a value, which files may hold."""
    name = name_of(type(value))
    if name is None:
        cls = type(value)
        what = f"{cls.__module__}.{cls.__qualname__}"
        # Functions and modules have names of their own.
        own = getattr(value, "__qualname__", None)
        raise encoder.refusal(f"the {cls.__name__} {own}" if own else f"an instance of {what}")
    return name


CODECS = (_Class(), _NamedTuple(), _Instance())

"""Random number generators of numpy in files, with the place where they are."""

from __future__ import annotations

import numpy as np

from ._codec import Codec, expect

# Of each bit generator, how far into a block of numbers it may be; None where it has no blocks.
_PLACES = {
    "MT19937": lambda state: state["state"]["pos"] <= 624,
    "PCG64": None,
    "PCG64DXSM": None,
    "Philox": lambda state: state["buffer_pos"] <= 4,
    "SFC64": None,
}


class _RandomState(Codec):
    tag, types = "random_state", ("numpy.random.mtrand.RandomState",)

    def encode(self, value, encoder):
        state = value.get_state(legacy=False)
        _refuse_unknown(state["bit_generator"], encoder)
        return {"state": encoder.value(state)}

    def decode(self, fields, decoder):
        state = _checked(decoder.value(fields["state"]))
        found = np.random.RandomState(getattr(np.random, state["bit_generator"])(0))
        found.set_state(state)
        return found


class _Generator(Codec):
    tag, types = "generator", ("numpy.random._generator.Generator",)

    def encode(self, value, encoder):
        state = value.bit_generator.state
        _refuse_unknown(state["bit_generator"], encoder)
        # What `spawn` draws from.
        source = value.bit_generator.seed_seq
        seed = {"entropy": source.entropy, "spawn_key": tuple(source.spawn_key)}
        seed["n_children_spawned"] = source.n_children_spawned
        return {"state": encoder.value(state), "seed": encoder.value(seed)}

    def decode(self, fields, decoder):
        state = _checked(decoder.value(fields["state"]))
        seed = np.random.SeedSequence(**decoder.value(fields["seed"]))
        bit_generator = getattr(np.random, state["bit_generator"])(seed)
        bit_generator.state = state
        return np.random.Generator(bit_generator)


def _refuse_unknown(name, encoder):
    if name not in _PLACES:
        raise encoder.refusal(f"random numbers of {name}")


def _checked(state):
    name = state["bit_generator"]
    expect(name in _PLACES, f"random numbers of {str(name)[:40]}")
    # numpy reads from there without another look.
    is_inside = _PLACES[name]
    expect(is_inside is None or is_inside(state), "random numbers beyond the end of their block")
    return state


CODECS = (_RandomState(), _Generator())

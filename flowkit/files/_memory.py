"""How much memory a file may take while it is loaded."""

from __future__ import annotations

import math
from itertools import zip_longest

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..exceptions import DamagedFileError

# What a file becomes takes at most this many times its size, and this many bytes more.
FACTOR, SLACK = 4, 2**26
# Tensors that are made on the way for each weight of a module, and for any module.
TENSORS_PER_WEIGHT, TENSORS = 10, 1000
# Sizes of networks that need no weights of the kind to be believed.
_SMALL_SIZE = 4096
# Bytes of a number, of which torch is asked for so many.
_NUMBER = 8


class MemoryLimit(TorchDispatchMode):
    """While it is entered, tensors may be made up to a total size.

    Modules are built from sizes that a file states, before the weights in the file show whether
    these are true.

    Parameters
    ----------
    n_bytes : int
        Bytes that all tensors made may have together, also those that are gone.
    n_tensors : int
        Number of tensors that may be made.

    Raises
    ------
    DamagedFileError
        If an operation asks for more.
    """

    def __init__(self, n_bytes: int, n_tensors: int):
        super().__init__()
        self.left, self.tensors_left = n_bytes, n_tensors

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # To skip the compiler of torch, torch would import it, which takes a second.
        return False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [a for a in tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
        if _asked_for(func, given, args) > self.left:
            raise _too_large()
        result = func(*args, **(kwargs or {}))
        known = {_address(tensor) for tensor in given}
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and _address(tensor) not in known:
                self.left -= tensor.untyped_storage().nbytes()
                self.tensors_left -= 1
        if min(self.left, self.tensors_left) < 0:
            raise _too_large()
        return result


def _too_large():
    return DamagedFileError("it states sizes of a network that its weights do not have.")


def _address(tensor):
    return tensor.untyped_storage().data_ptr()


def _asked_for(func, given, args) -> int:
    """Bytes that an operation will make at most, as far as its arguments tell."""
    name = func.overloadpacket.__name__
    lists = [a for a in args if isinstance(a, list | tuple) and all(type(n) is int for n in a)]
    if not given or name.startswith(("new_", "repeat")):
        whole = [n for n in args if type(n) is int]
        sizes = [math.prod(sizes) for sizes in lists[:1]] or whole
        if name.startswith(("eye", "tri")):
            sizes = [math.prod(whole)]
        return _NUMBER * max(sizes, default=0)
    # As if they were broadcast; what torch has for this imports its compiler.
    aligned = zip_longest(*(reversed(tensor.shape) for tensor in given), fillvalue=1)
    return _NUMBER * math.prod(map(max, aligned))


def check_sizes(config, weights) -> None:
    """Refuse whole numbers, in what a module is built from, that no stored weight is as long as.

    Parameters
    ----------
    config : object
        Plain values, nested.
    weights : dict of ndarray
        The weights that the module is to get.

    Raises
    ------
    DamagedFileError
        If there is such a number.
    """
    longest = max((n for array in weights.values() for n in array.shape), default=0)
    for name, value in config.items():
        numbers = [n for n in tree_leaves(value) if isinstance(n, int)]
        if name != "seed" and any(abs(n) > max(longest, _SMALL_SIZE) for n in numbers):
            raise DamagedFileError(f"it states {name}={max(numbers)}, but has no such weights.")

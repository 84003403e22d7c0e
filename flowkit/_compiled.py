"""Kernels compiled for the CPU by numba, where it is installed: whether and how they are used.

Tensor operations cost microseconds each, whatever their size. Modules of compiled kernels import
numba, so they are imported at their first use.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

DTYPES = (torch.float32, torch.float64)


def compiled(function: Callable) -> Callable:
    """Decorator: compile at the first call, and keep machine code on disk if that can be written.

    Parameters
    ----------
    function : callable
        Of numbers and arrays, without Python objects.

    Returns
    -------
    callable
        The same, which releases Python's global lock.
    """
    import numba

    options = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True}
    try:
        kernel = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # Neither the package nor the home of the user can be written to.
        return numba.njit(**options)(function)
    kernel._cache = _ForgivingCache(kernel._cache)
    return kernel


class _ForgivingCache:
    """numba's machine code on disk, done without where it cannot be read or written.

    Parameters
    ----------
    cache : numba.core.caching.FunctionCache
        Of one kernel.
    """

    def __init__(self, cache):
        self._cache = cache

    def __getattr__(self, name):
        return getattr(self._cache, name)

    def load_overload(self, *args):
        """Machine code from disk, None if there is none that can be read."""
        try:
            return self._cache.load_overload(*args)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            # A file cut short fails for ever unless the index forgets it.
            with suppress(OSError):
                self._cache.flush()
            return None

    def save_overload(self, *args):
        """Keep machine code on disk, if there is room."""
        with suppress(OSError, EOFError, ValueError, pickle.UnpicklingError):
            self._cache.save_overload(*args)


def applies_to(tensor: Tensor) -> bool:
    """Whether compiled kernels can work on a tensor: plain numbers, in the memory of the CPU."""
    on_cpu = tensor.device.type == "cpu" and tensor.dtype in DTYPES
    return on_cpu and _is_installed() and is_plain() and tensor.numel() > 0


def is_plain() -> bool:
    """Whether tensors now are no more than numbers: not traced, cast, batched, or with tangents."""
    return not (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch.is_autocast_enabled("cpu")
        or torch._C._are_functorch_transforms_active()
        or forward_ad._current_level >= 0
    )


def array_of(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor, as kernels take it."""
    return tensor.detach().numpy()


@functools.cache
def _is_installed() -> bool:
    try:
        import numba
    except ImportError:
        return False
    return not numba.config.DISABLE_JIT

"""Where a fit keeps its training on disk, and what tells it from others."""

from __future__ import annotations

import hashlib
from numbers import Integral

import numpy as np
import torch
from torch import nn

from ..exceptions import InvalidParameterError
from ..training import Checkpoint

# What may be changed before a fit goes on: more time, another machine.
_IRRELEVANT = ("callbacks", "checkpoint", "device", "max_time", "on_interrupt", "verbose")


def checkpoint_of(
    density, X: np.ndarray, sample_weight: np.ndarray | None, begins: bool
) -> Checkpoint | None:
    """The checkpoint of a fit, if it has one.

    Parameters
    ----------
    density : BaseDensity
        Gives `checkpoint` and all other parameters.
    X : ndarray of shape (n, n_features)
        Rows.
    sample_weight : ndarray of shape (n,) or None
        Their weights.
    begins : bool
        Whether training begins anew, and does not go on from a fitted module.

    Returns
    -------
    Checkpoint or None
        None without a file.

    Raises
    ------
    InvalidParameterError
        If training completes rows, in rounds that no checkpoint knows, or its seed is unknown.
    """
    if density.checkpoint is None:
        return None
    if density.missing is not None:
        raise InvalidParameterError(
            f"checkpoint={str(density.checkpoint)!r} cannot be kept with missing="
            f"{density.missing!r}: rows are completed anew from round to round. Use "
            "checkpoint=None."
        )
    if not isinstance(density.random_state, Integral):
        raise InvalidParameterError(
            f"checkpoint={str(density.checkpoint)!r} needs random_state to be an int, by which a "
            f"later fit begins in the same way, got {density.random_state!r}."
        )
    before = None
    if not begins:
        before = density.module_, density.location_, density.scale_, density.n_iter_
    digest = hashlib.sha256(type(density).__qualname__.encode())
    for name, value in sorted(density.get_params(deep=False).items()):
        if name not in _IRRELEVANT:
            digest.update(name.encode())
            _add(digest, value)
    for value in (X, sample_weight, before):
        _add(digest, value)
    return Checkpoint(density.checkpoint, digest.hexdigest())


def _add(digest, value) -> None:
    """Take a parameter, rows, or what training goes on from into a digest."""
    if isinstance(value, nn.Module):
        value = [repr(value), *sorted(value.state_dict().items())]
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, list | tuple):
        digest.update(f"{len(value)} of".encode())
        for part in value:
            _add(digest, part)
    elif isinstance(value, np.ndarray) and value.dtype != object:
        digest.update(repr((value.shape, value.dtype)).encode())
        digest.update(np.ascontiguousarray(value))
    else:
        digest.update(repr(value).encode())

"""Where a fit keeps its training on disk, and what tells it from others."""

from __future__ import annotations

import hashlib

import numpy as np

from ..exceptions import InvalidParameterError
from ..training import Checkpoint, FitRun

# What changes nothing about the weights that training ends at.
_IRRELEVANT = ("callbacks", "checkpoint", "device", "max_time", "on_interrupt", "verbose")


def checkpoint_of(
    density, X: np.ndarray, sample_weight: np.ndarray | None, run: FitRun
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
    run : FitRun
        Seeds of the fit.

    Returns
    -------
    Checkpoint or None
        None without a file.

    Raises
    ------
    InvalidParameterError
        If training completes rows, in rounds that no checkpoint knows.
    """
    if density.checkpoint is None:
        return None
    if density.missing is not None:
        raise InvalidParameterError(
            f"checkpoint={str(density.checkpoint)!r} cannot be kept with missing="
            f"{density.missing!r}: rows are completed anew from round to round. Use "
            "checkpoint=None."
        )
    parameters = density.get_params()
    told = sorted((k, repr(v)) for k, v in parameters.items() if k not in _IRRELEVANT)
    digest = hashlib.sha256(repr((type(density).__qualname__, told)).encode())
    digest.update(repr((run.batches, run.dropout, X.shape)).encode())
    digest.update(np.ascontiguousarray(X))
    if sample_weight is not None:
        digest.update(np.ascontiguousarray(sample_weight))
    return Checkpoint(density.checkpoint, digest.hexdigest())

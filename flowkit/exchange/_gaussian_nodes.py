"""Gaussians as nodes of a graph."""

from __future__ import annotations

import numpy as np
import torch

from ._graph import Value


def half_squares(z: Value, means, factors) -> Value:
    """Half the squared Mahalanobis distance of rows from each of several means.

    Parameters
    ----------
    z : Value of shape (n, d)
        Rows.
    means : array-like of shape (k, d)
        Means.
    factors : array-like of shape (k, d, d)
        Matrices P with precision P P^T.

    Returns
    -------
    Value of shape (n, k)
        The distances.
    """
    means, factors = _array(means), _array(factors)
    k, d = means.shape
    # What all have in common would cost digits.
    centre = means.mean(0)
    matrix = factors.transpose(1, 0, 2).reshape(d, k * d)
    shift = np.einsum("ki,kij->kj", means - centre, factors)
    white = ((z - centre) @ matrix).reshaped(0, k, d) - shift
    return 0.5 * white.square().sum(2)


def _array(given):
    array = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else given
    return np.asarray(array, dtype=np.float64)

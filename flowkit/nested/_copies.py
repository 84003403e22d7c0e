"""Log densities of changed copies of rows, as if the rows had not been in training.

Kernels on training rows make copies of these look likely, since a copy lies close to the kernel on
the row that it was made from. A density that keeps rows has a method
``_score_copies(copies, rows, n_draws)``, and so has a wrapper whose log density is another than
that of what it holds. Other wrappers are opened; the kernels of scikit-learn are registered here.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import KernelDensity
from sklearn.utils import _safe_indexing

from ..validation import check_array
from ._log_density import log_density_of
from ._unwrap import held_by, stood_for

# Rows are the same if they differ by less, relative to the largest value of each column.
_SAME_VALUE = 1e-12


@singledispatch
def score_copies(density, copies, rows, n_draws=None) -> np.ndarray:
    """Log density of changed copies of rows, without the kernels that stand on these rows.

    Parameters
    ----------
    density : estimator
        Fitted, with `score_samples`.
    copies : array-like or DataFrame of shape (k * n, n_features)
        k copies of each row, those of one row next to each other.
    rows : array-like or DataFrame of shape (n, n_features)
        The rows that the copies were made from.
    n_draws : int, default=None
        Number of draws of the missing values of a copy, where a density integrates over them; None
        for as many as in `score_samples`.

    Returns
    -------
    ndarray of shape (k * n,)
        Log densities, in nats.
    """
    held = held_by(density)
    if held is not None and held.log_density == "same":
        for transformer in held.transformers:
            copies, rows = (transformer.transform(X) for X in (copies, rows))
        return score_copies(held.estimator, copies, rows, n_draws)
    if hasattr(density, "_score_copies"):
        return density._score_copies(copies, rows, n_draws)
    return log_density_of(density, copies)


@score_copies.register
def _(density: KernelDensity, copies, rows, n_draws=None):
    centres, weight = np.asarray(density.tree_.data), density.tree_.sample_weight
    scores, k = log_density_of(density, copies), len(copies) // len(rows)
    copies, rows = check_array(copies, dtype=np.float64), check_array(rows, dtype=np.float64)
    same = _SAME_VALUE * np.abs(centres).max(0)
    for i, row in enumerate(rows):
        own = np.flatnonzero((np.abs(centres - row) <= same).all(1))[:1]
        if own.size and len(centres) > 1:
            others = clone(density).set_params(bandwidth=density.bandwidth_)
            left = None if weight is None else np.delete(weight, own)
            others.fit(np.delete(centres, own, axis=0), sample_weight=left)
            block = np.arange(k * i, k * (i + 1))
            scores[block] = log_density_of(others, copies[block])
    return scores


def own_kernels_of(density, X) -> np.ndarray | None:
    """The kernel that stands on each row, which its score leaves out.

    Parameters
    ----------
    density : estimator
        Fitted.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows as it takes them.

    Returns
    -------
    ndarray of int of shape (n_samples,), or None
        -1 where there is none; None if the density leaves none out.
    """
    find = getattr(stood_for(density), "_own_kernels", None)
    return None if find is None else find(X)


def log_density_without(density, X, without: np.ndarray) -> np.ndarray:
    """Log density of rows, each without one more kernel.

    Parameters
    ----------
    density : estimator
        Fitted, of rows of numbers.
    X : array-like of shape (n_samples, n_features)
        Rows as it takes them.
    without : ndarray of int of shape (n_samples,)
        The kernels, as `own_kernels_of` gives them.

    Returns
    -------
    ndarray of shape (n_samples,)
        Nats.
    """
    score = getattr(stood_for(density), "_log_density", None)
    return log_density_of(density, X) if score is None else score(X, without)


def score_inside(density, copies, inside, rows, known, n_draws=None) -> np.ndarray:
    """`score_copies` behind a map whose domain some copies or rows lie outside of.

    Parameters
    ----------
    density : estimator
        As in `score_copies`.
    copies : array-like or DataFrame of shape (n_inside, n_features)
        The images of those copies that have one.
    inside : ndarray of bool of shape (k * n,)
        Which of all copies these are.
    rows : array-like or DataFrame of shape (n_known, n_features)
        The images of those rows that have one.
    known : ndarray of bool of shape (n,)
        Which of all rows these are.
    n_draws : int, default=None
        As in `score_copies`.

    Returns
    -------
    ndarray of shape (n_inside,)
        Log densities, in nats.
    """
    if inside.all() and known.all():
        return score_copies(density, copies, rows, n_draws)
    row = np.repeat(np.arange(len(known)), len(inside) // len(known))[inside]
    scores = np.empty(len(row))
    # A row without an image was not in training.
    plain, traced = np.flatnonzero(~known[row]), np.flatnonzero(known[row])
    if plain.size:
        scores[plain] = log_density_of(density, _safe_indexing(copies, plain))
    if traced.size:
        position = np.cumsum(known)[row[traced]] - 1
        parts = _safe_indexing(copies, traced), _safe_indexing(rows, position)
        scores[traced] = score_copies(density, *parts, n_draws)
    return scores

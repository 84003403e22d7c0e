"""Log densities of changed copies of rows, as if the rows had not been in training.

Kernels on training rows make copies of these look likely, since a copy lies close to the kernel on
the row that it was made from. A density that holds rows has a method
``_score_copies(copies, rows, n_draws)``, a wrapper one that passes them on; for those of
scikit-learn it is registered here.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, check_array

# Rows are the same if they differ by less, in terms of the largest value of a column.
_SAME_VALUE = 1e-12


@singledispatch
def score_copies(density, copies, rows, n_draws=None) -> np.ndarray:
    """Log density of changed copies of rows, without what is known to stand for the rows alone.

    Parameters
    ----------
    density : estimator
        Fitted, with `score_samples`.
    copies : array-like or DataFrame of shape (k * n, n_features)
        As many copies of each row, those of one next to each other.
    rows : array-like or DataFrame of shape (n, n_features)
        What the copies were made from.
    n_draws : int, default=None
        Draws of missing values by which a copy is scored where a density integrates over them;
        None for as many as in `score_samples`.

    Returns
    -------
    ndarray of shape (k * n,)
        Nats.
    """
    if hasattr(density, "_score_copies"):
        return density._score_copies(copies, rows, n_draws)
    return density.score_samples(copies)


@score_copies.register
def _(density: FrozenEstimator, copies, rows, n_draws=None):
    return score_copies(density.estimator, copies, rows, n_draws)


@score_copies.register
def _(density: Pipeline, copies, rows, n_draws=None):
    if len(density) > 1:
        copies, rows = (density[:-1].transform(X) for X in (copies, rows))
    return score_copies(density[-1], copies, rows, n_draws)


@score_copies.register
def _(density: BaseSearchCV, copies, rows, n_draws=None):
    return score_copies(density.best_estimator_, copies, rows, n_draws)


@score_copies.register
def _(density: KernelDensity, copies, rows, n_draws=None):
    centres, weight = np.asarray(density.tree_.data), density.tree_.sample_weight
    scores, k = density.score_samples(copies), len(copies) // len(rows)
    copies, rows = check_array(copies, dtype=np.float64), check_array(rows, dtype=np.float64)
    same = _SAME_VALUE * np.abs(centres).max(0)
    for i, row in enumerate(rows):
        own = np.flatnonzero((np.abs(centres - row) <= same).all(1))[:1]
        if own.size and len(centres) > 1:
            others = clone(density).set_params(bandwidth=density.bandwidth_)
            left = None if weight is None else np.delete(weight, own)
            others.fit(np.delete(centres, own, axis=0), sample_weight=left)
            block = np.arange(k * i, k * (i + 1))
            scores[block] = others.score_samples(copies[block])
    return scores


def score_inside(density, copies, inside, rows, known, n_draws=None) -> np.ndarray:
    """`score_copies` behind a map that some copies or rows are outside the domain of.

    Parameters
    ----------
    density : estimator
        As in `score_copies`.
    copies : array-like or DataFrame of shape (n_inside, n_features)
        Those copies that have an image.
    inside : ndarray of bool of shape (k * n,)
        Which of all these are.
    rows : array-like or DataFrame of shape (n_known, n_features)
        Those rows that have an image.
    known : ndarray of bool of shape (n,)
        Which of all these are.
    n_draws : int, default=None
        As in `score_copies`.

    Returns
    -------
    ndarray of shape (n_inside,)
        Nats.
    """
    if inside.all() and known.all():
        return score_copies(density, copies, rows, n_draws)
    row = np.repeat(np.arange(len(known)), len(inside) // len(known))[inside]
    scores = np.empty(len(row))
    # A row without an image was no training row.
    plain, traced = np.flatnonzero(~known[row]), np.flatnonzero(known[row])
    if plain.size:
        scores[plain] = density.score_samples(_safe_indexing(copies, plain))
    if traced.size:
        place = np.cumsum(known)[row[traced]] - 1
        parts = _safe_indexing(copies, traced), _safe_indexing(rows, place)
        scores[traced] = score_copies(density, *parts, n_draws)
    return scores

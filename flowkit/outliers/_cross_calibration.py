"""Scores of rows by densities that were fitted without them."""

from __future__ import annotations

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from ._fitting import Fitter
from ._weights import select_weights


def out_of_fold_scores(fitter: Fitter, X, weight, folds) -> np.ndarray:
    """Score each row by a fit to the rows of all other folds.

    Parameters
    ----------
    fitter : Fitter
        Fits the densities, once for each fold.
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Rows.
    weight : ndarray of shape (n_samples,) or None
        Their weights.
    folds : list of ndarray of int
        Positions of the rows of each fold.

    Returns
    -------
    ndarray of shape (n_samples,)
        The scores, in the order of the rows.
    """
    n = _num_samples(X)
    scores = np.empty(n)
    for k, fold in enumerate(folds, 1):
        others = np.setdiff1d(np.arange(n), fold)
        fitted = fitter.fit(_safe_indexing(X, others), select_weights(weight, others))
        with fitter.progress.step(f"score calibration rows, fold {k} of {len(folds)}"):
            scores[fold] = fitted.scores(_safe_indexing(X, fold))
    return scores

"""Which training rows to leave out, where these contain outliers."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest

from .._seeds import draw_seed
from ._threshold import training_threshold
from .reading import TableReading


def rows_to_keep(X, names, share: float, weight, rng: np.random.RandomState) -> np.ndarray:
    """Positions of the rows that are not the strangest to an isolation forest.

    Outliers in training are often alike. A density that follows rows closely takes a group of them
    for usual; random splits of few rows do not see the group.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        Training rows.
    names : list
        Names of the columns.
    share : float
        Share of the rows to leave out at most.
    weight : ndarray of shape (n_samples,) or None
        Weights of the rows, positive.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    ndarray of int
        In order.
    """
    rows = TableReading(X, names)(X)
    forest = IsolationForest(random_state=draw_seed(rng))
    scores = forest.fit(rows, None, weight).score_samples(rows)
    return np.flatnonzero(scores >= training_threshold(scores, share, weight))

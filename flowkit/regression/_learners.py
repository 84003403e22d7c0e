"""The classical regressions that a conditional flow begins with, and their cross-fitting."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.linear_model import RidgeCV

from .._seeds import draw_seed
from ._predictors import Linear, Mean, TreeSum

# A learner fits standardised features and targets (n, n_targets), and returns what predicts.
Learner = Callable[..., "Linear | TreeSum"]

N_FOLDS = 5
# Rows that one fit sees; trees on more cost minutes and gain little.
_MAX_ROWS = 20_000
# Rows that one boosted tree sees.
_MAX_TREE_ROWS = 4_000
# Ridge penalties, for each row.
_PENALTIES = np.logspace(-6, 1, 15)
_N_TREES, _LEAF_ROWS = 40, 5
_N_STEPS, _STEP, _DEPTH, _SHARE = 150, 0.06, 4, 0.6


def ridge(X, Y, weight, rng) -> Linear:
    """Ridge regression, its penalty chosen by leaving rows out."""
    if len(X) == 1:
        return Linear(np.zeros((X.shape[1], Y.shape[1])), Y[0].copy())
    model = RidgeCV(alphas=_PENALTIES * len(X)).fit(X, Y, weight)
    matrix = np.reshape(model.coef_, (Y.shape[1], X.shape[1])).T
    return Linear(np.ascontiguousarray(matrix), np.reshape(model.intercept_, -1))


def forest(X, Y, weight, rng, leaf_rows: int = _LEAF_ROWS) -> TreeSum:
    """Extremely randomised trees."""
    model = ExtraTreesRegressor(_N_TREES, min_samples_leaf=leaf_rows, random_state=draw_seed(rng))
    model.fit(X, Y if Y.shape[1] > 1 else Y[:, 0], weight)
    return TreeSum.of(model.estimators_, 1 / _N_TREES, np.zeros(Y.shape[1]), slice(None))


def boosting(X, Y, weight, rng) -> TreeSum:
    """Gradient boosting, of each target by itself."""
    parts = []
    for j in range(Y.shape[1]):
        model = GradientBoostingRegressor(
            n_estimators=_N_STEPS,
            learning_rate=_STEP,
            max_depth=_DEPTH,
            min_samples_leaf=_LEAF_ROWS,
            subsample=max(min(_SHARE, _MAX_TREE_ROWS / len(X)), 1 / len(X)),
            max_features=_SHARE,
            random_state=draw_seed(rng),
        ).fit(X, Y[:, j], weight)
        bias = np.zeros(Y.shape[1])
        bias[j] = np.ravel(model.init_.constant_)[0]
        parts.append(TreeSum.of(model.estimators_[:, 0], _STEP, bias, slice(j, j + 1)))
    return parts[0] if len(parts) == 1 else _joined(parts)


def _joined(parts):
    """One sum of the trees of several."""
    shifts = np.cumsum([0, *(len(part.feature) for part in parts)])[:-1]
    moved = list(zip(parts, shifts, strict=True))
    return TreeSum(
        sum(part.bias for part in parts),
        np.concatenate([part.roots + shift for part, shift in moved]),
        np.concatenate([part.children + shift for part, shift in moved]),
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("feature", "threshold", "value")
        ),
        max(part.depth for part in parts),
    )


LEARNERS: dict[str, Learner] = {"ridge": ridge, "forest": forest, "boosting": boosting}


def cross_fitted(
    learner: Learner,
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray | None,
    fold: np.ndarray,
    rng: np.random.RandomState,
) -> tuple[np.ndarray, Mean]:
    """Predictions of each row by a fit without it, and the mean of these fits for new rows.

    Parameters
    ----------
    learner : callable
        One of `LEARNERS`.
    X : ndarray of shape (n, n_features)
        Features.
    Y : ndarray of shape (n, n_targets)
        Targets.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    fold : ndarray of int of shape (n,)
        Which fit each row is left out of.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    predictions : ndarray of shape (n, n_targets)
        Of each row.
    regression : Mean
        For new rows.
    """
    predictions, members = np.empty(Y.shape), []
    for k in range(fold.max() + 1):
        left_out, rows = fold == k, np.flatnonzero(fold != k)
        if len(rows) > _MAX_ROWS:
            rows = rng.choice(rows, _MAX_ROWS, replace=False)
        own = None if weight is None else weight[rows]
        members.append(learner(X[rows], Y[rows], own, rng))
        predictions[left_out] = members[-1].predict(X[left_out])
    return predictions, Mean(tuple(members))

"""Location and scale of targets given features: the classical regression that a flow begins as."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from ._learners import LEARNERS, N_FOLDS, cross_fitted, forest
from ._predictors import Blend, Mean

# Rows in a leaf of the trees that predict sizes of residuals, which are noisy.
_SIZE_LEAF_ROWS = 20
# How much of the predicted log size is believed.
_SHRINKAGES = np.linspace(0, 1.5, 16)
# Gain of the mean log density, in nats, from which scales differ from row to row.
_NOTABLE_GAIN = 0.002
# Least scale, in standard deviations of a target; for targets without any noise.
_LEAST_SCALE = 1e-4
# Smallest residual that counts, as a share of the mean one: logarithms of smaller ones mislead.
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class RegressionStart:
    """A regression of locations and log scales on standardised features.

    Parameters
    ----------
    locations : Blend
        Predicts standardised targets.
    sizes : Mean or None
        Predicts logarithms of the sizes of residuals, from features and locations; None where
        scales are the same for all rows.
    shrinkage : ndarray of shape (n_targets,)
        What predicted log sizes are multiplied by.
    log_scale : ndarray of shape (n_targets,)
        What is added to that.
    """

    locations: Blend
    sizes: Mean | None
    shrinkage: np.ndarray
    log_scale: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Locations and log scales of standardised features, shape (n, 2 * n_targets)."""
        with np.errstate(over="ignore", invalid="ignore"):
            location = self.locations.predict(X)
        log_scale = np.broadcast_to(self.log_scale, location.shape)
        if self.sizes is not None:
            predicted = self.sizes.predict(np.concatenate([X, location], 1))
            log_scale = log_scale + self.shrinkage * predicted
        return np.concatenate([location, log_scale], 1)


def regression_start(
    name: str,
    X: np.ndarray,
    Y: np.ndarray,
    weight: np.ndarray | None,
    rng: np.random.RandomState,
) -> tuple[RegressionStart, np.ndarray]:
    """Regressions blended by what they say of rows that they have not seen, and their scales.

    Parameters
    ----------
    name : str
        One of `LEARNERS`, or 'auto' for a blend of all.
    X : ndarray of shape (n, n_features)
        Standardised features.
    Y : ndarray of shape (n, n_targets)
        Standardised targets.
    weight : ndarray of shape (n,) or None
        Weights of the rows.
    rng : RandomState
        Source of randomness.

    Returns
    -------
    start : RegressionStart
        For new rows.
    predictions : ndarray of shape (n, 2 * n_targets)
        Location and log scale of each row, by fits without it.
    """
    fold = rng.permutation(np.arange(len(X)) % min(N_FOLDS, len(X)))
    names = list(LEARNERS) if name == "auto" else [name]
    fits = [cross_fitted(LEARNERS[one], X, Y, weight, fold, rng) for one in names]
    found = np.stack([predictions for predictions, _ in fits])
    weights = np.ones((1, Y.shape[1]))
    if len(fits) > 1:
        weights = np.stack([_blend(*pair, weight) for pair in zip(found.T, Y.T, strict=True)], 1)
    location = np.einsum("knj,kj->nj", found, weights)
    blend = Blend(tuple(regression for _, regression in fits), weights)
    sizes, shrinkage, log_scale, by_row = _scales(name, X, Y, location, weight, fold, rng)
    start = RegressionStart(blend, sizes, shrinkage, log_scale)
    return start, np.concatenate([location, by_row], 1)


def _blend(predictions, target, weight):
    """Convex weights of predictions (n, n_fits) with the least squared error."""
    root = np.ones(len(target)) if weight is None else np.sqrt(weight / weight.mean())
    # A heavy row makes them sum to one.
    heavy = 1e3 * np.sqrt(len(target))
    matrix = np.vstack([predictions * root[:, None], np.full((1, predictions.shape[1]), heavy)])
    found, _ = nnls(matrix, np.append(target * root, heavy))
    return found / found.sum()


def _scales(name, X, Y, location, weight, fold, rng):
    """What predicts sizes, shrinkage, log scale, and the log scale of each row."""
    n_targets = Y.shape[1]
    residual, sizes, shrinkage = Y - location, None, np.zeros(n_targets)
    predicted = np.zeros(Y.shape)
    size = np.abs(residual)
    floor = _LEAST_SHARE * np.average(size, axis=0, weights=weight) + _LEAST_SCALE
    if name != "ridge":
        log_size = np.log(np.maximum(size, floor))
        learner = functools.partial(forest, leaf_rows=_SIZE_LEAF_ROWS)
        given = np.concatenate([X, location], 1)
        predicted, sizes = cross_fitted(learner, given, log_size, weight, fold, rng)
        shrinkage = np.array(
            [_shrinkage(*pair, weight) for pair in zip(size.T, predicted.T, strict=True)]
        )
        sizes = sizes if shrinkage.any() else None
    scale = np.exp(shrinkage * predicted)
    root = np.sqrt(np.average((residual / scale) ** 2, axis=0, weights=weight))
    log_scale = np.log(np.maximum(root, _LEAST_SCALE))
    return sizes, shrinkage, log_scale, log_scale + shrinkage * predicted


def _shrinkage(size, predicted, weight):
    """The factor on predicted log sizes under which residuals are likeliest; 0 without a gain."""

    def loss(factor):
        # Of a Laplace density, which single large residuals do not rule.
        relative = np.average(size * np.exp(-factor * predicted), weights=weight)
        return np.log(max(relative, _LEAST_SCALE)) + factor * np.average(predicted, weights=weight)

    losses = np.array([loss(factor) for factor in _SHRINKAGES])
    best = losses.argmin()
    return _SHRINKAGES[best] if losses[0] - losses[best] > _NOTABLE_GAIN else 0.0

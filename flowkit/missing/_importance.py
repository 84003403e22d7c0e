"""Weighted draws: their shares, resamples of them, and the log of their mean weight."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp


def shares(log_weight):
    """Weights of draws that sum to one, equal ones where all vanish."""
    log_weight = np.where(np.isnan(log_weight), -np.inf, log_weight)
    with np.errstate(invalid="ignore"):
        share = np.exp(log_weight - logsumexp(log_weight, axis=1, keepdims=True))
    return np.where(np.isnan(share), 1 / share.shape[1], share)


def resample(log_weight, n_draws, rng):
    """Indices of draws, each as often as its weight says, in random order, (n, n_draws)."""
    n, n_candidates = log_weight.shape
    row = np.arange(n)[:, None]
    steps = (np.arange(n_draws) + rng.uniform(size=(n, 1))) / n_draws
    cumulative = shares(log_weight).cumsum(1).clip(0, 1)
    # One search in the cumulative weights of all rows, a unit apart.
    chosen = np.searchsorted((cumulative + row).ravel(), steps + row) - n_candidates * row
    order = rng.uniform(size=chosen.shape).argsort(1)
    return np.take_along_axis(chosen.clip(0, n_candidates - 1), order, 1)


def log_mean(log_weight, log_ratio):
    """Log of the mean weight of draws, and its standard error to first order.

    The ratio of the density of the mixture to that from which the draws come has a known mean of
    one. It serves as a control variate, so that only what is left of the weights is estimated.
    """
    log_weight = np.where(np.isnan(log_weight), -np.inf, log_weight)
    top = log_weight.max(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num(np.exp(log_weight - top))
    ratio = np.nan_to_num(np.exp(log_ratio))
    deviation = ratio - ratio.mean(1, keepdims=True)
    square = np.maximum((deviation**2).mean(1), np.finfo(float).tiny)
    slope = (weight * deviation).mean(1) / square
    mean = weight.mean(1) - slope * (ratio.mean(1) - 1)
    slope = np.where(mean > 0, slope, 0.0)
    mean = np.where(mean > 0, mean, weight.mean(1))
    rest = weight - slope[:, None] * ratio
    with np.errstate(divide="ignore", invalid="ignore"):
        error = rest.std(1, ddof=1) / np.sqrt(weight.shape[1]) / mean
        log_mean = np.log(mean) + top[:, 0]
    # Outside the support all weights are zero, without doubt.
    vanishing = np.isneginf(top[:, 0])
    return np.where(vanishing, -np.inf, log_mean), np.where(vanishing, 0.0, error)

"""Weighted draws: their shares, resamples of them, and the log of their mean weight."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

# A draw has at most this share in its own prediction; ratios that differ less are one.
_MAX_LEVERAGE, _SAME = 0.9, 1e-6
# Fewer draws tell no slopes: a line through two or three weights leaves no error to see.
_FEWEST_REGRESSED = 8


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


def log_mean(log_weight, log_ratios):
    """Log of the mean weight of draws, and its standard error to first order.

    The ratios of densities to that from which the draws come have a known mean of one. They serve
    as control variates, so that only what is left of the weights is estimated. Of fewer than 16
    draws only the first one serves, of fewer than 8 none.

    Parameters
    ----------
    log_weight : ndarray of shape (n, n_draws)
        Logs of the weights.
    log_ratios : ndarray of shape (n_ratios, n, n_draws)
        Logs of the ratios.

    Returns
    -------
    log_mean, error : ndarray of shape (n,)
        Nats.
    """
    log_weight = np.where(np.isnan(log_weight), -np.inf, log_weight)
    top = log_weight.max(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        weight = np.nan_to_num(np.exp(log_weight - top))
    n_draws = weight.shape[1]
    if n_draws < _FEWEST_REGRESSED:
        mean, variance = weight.mean(1), weight.var(1, ddof=1)
    else:
        used = log_ratios if n_draws >= 2 * _FEWEST_REGRESSED else log_ratios[:1]
        mean, variance = _regressed_mean(weight, np.nan_to_num(np.exp(used)))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(variance / n_draws) / mean
        log_mean = np.log(mean) + top[:, 0]
    # Outside the support all weights are zero, without doubt.
    vanishing = np.isneginf(top[:, 0])
    return np.where(vanishing, -np.inf, log_mean), np.where(vanishing, 0.0, error)


def _regressed_mean(weight, ratios):
    """Mean of weights by control variates of mean one, and the variance of what is left."""
    slopes, left_out = _regressed(weight, ratios)
    mean = weight.mean(1) - (slopes * (ratios.mean(2) - 1)).sum(0)
    slopes = np.where(mean > 0, slopes, 0.0)
    mean = np.where(mean > 0, mean, weight.mean(1))
    rest = weight - (slopes[..., None] * ratios).sum(0)
    rest = (rest - rest.mean(1, keepdims=True)) / left_out
    return mean, (rest**2).mean(1)


def _regressed(weight, ratios):
    """Slopes of weights on ratios, (n_ratios, n), and what residuals of rows left out are over."""
    deviation = np.moveaxis(ratios - ratios.mean(2, keepdims=True), 0, 2)
    scale = np.sqrt(np.maximum((deviation**2).mean(1, keepdims=True), np.finfo(float).tiny))
    deviation = deviation / scale
    inverse = np.linalg.pinv(deviation, rcond=_SAME)
    slopes = inverse @ (weight - weight.mean(1, keepdims=True))[..., None]
    leverage = 1 / weight.shape[1] + (deviation * inverse.swapaxes(1, 2)).sum(2)
    return np.moveaxis(slopes / scale.swapaxes(1, 2), 0, 1)[..., 0], 1 - leverage.clip(
        0, _MAX_LEVERAGE
    )

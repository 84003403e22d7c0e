"""Mixtures and kernel estimates of scikit-learn as nodes of a graph."""

from __future__ import annotations

import math

import numpy as np
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.neighbors import KernelDensity

from ..exceptions import NotExportableError
from ._gaussian_nodes import half_squares
from ._rules import DENSITIES

# Logarithms of kernels of a distance in bandwidths, one at zero; impossible distances are infinite.
_LOG_KERNELS = {
    "gaussian": lambda u: -0.5 * u.square(),
    "exponential": lambda u: -u,
    "tophat": lambda u: (u < 1.0).where(0.0, -np.inf),
    "linear": lambda u: (u < 1.0).where(1.0 - u, 0.0).log(),
    "epanechnikov": lambda u: (u < 1.0).where(1.0 - u.square(), 0.0).log(),
}


@DENSITIES.of(GaussianMixture, BayesianGaussianMixture)
def _mixture(mixture, x):
    means, factors = mixture.means_, mixture.precisions_cholesky_
    k, d = means.shape
    if mixture.covariance_type == "tied":
        factors = np.broadcast_to(factors, (k, d, d))
    elif mixture.covariance_type != "full":
        factors = factors.reshape(k, -1)[:, None] * np.eye(d)
    # What all components say at their own means.
    heights = mixture._estimate_weighted_log_prob(means).diagonal()
    log_density = (heights - half_squares(x, means, factors)).logsumexp(1)
    return log_density.is_nan().where(-np.inf, log_density)


@DENSITIES.of(KernelDensity)
def _kernel_density(density, x):
    kernel, metric = density.kernel, density.metric
    if kernel not in _LOG_KERNELS or metric != "euclidean":
        raise NotExportableError(
            f"expected a KernelDensity of metric 'euclidean' and kernel {', '.join(_LOG_KERNELS)}, "
            f"got metric {metric!r} and kernel {kernel!r}. Fit it with one of these."
        )
    centres, weights = np.asarray(density.tree_.data), density.tree_.sample_weight
    weights = np.ones(len(centres)) if weights is None else np.asarray(weights)
    h, d = density.bandwidth_, centres.shape[1]
    # The height of a kernel is what it says at a single row.
    height = KernelDensity(kernel=kernel, bandwidth=h).fit(np.zeros((1, d)))
    log_height = float(height.score_samples(np.zeros((1, d)))[0])
    centre = centres.mean(0)
    scaled, centres = (x - centre) / h, (centres - centre) / h
    squares = scaled.square().sum(1, keepdims=True) + (centres**2).sum(1)
    distance = (squares - 2.0 * (scaled @ centres.T)).maximum(0.0).sqrt()
    distance = distance.is_nan().where(np.inf, distance)
    logs = _LOG_KERNELS[kernel](distance) + np.log(weights)
    return logs.logsumexp(1) + (log_height - math.log(weights.sum()))

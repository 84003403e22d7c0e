"""Densities that several of these tests ask, and the answers of Gaussians in closed form."""

from __future__ import annotations

import functools

import numpy as np
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture

from flowkit import FlowDensity, RGFlowDensity
from flowkit import bijections as b

from ..missing.examples import correlated, moons

QUICK = {"max_epochs": 2, "random_state": 0}


def gaussian(d=10, seed=0):
    """Mean and covariance matrix."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d, d)) / d**0.5
    return rng.normal(size=d), root @ root.T + 0.3 * np.eye(d)


def conditioned(mean, covariance, known, values):
    """Mean and covariance matrix of the other columns given some."""
    others = [j for j in range(len(mean)) if j not in known]
    within = covariance[np.ix_(known, known)]
    slopes = np.linalg.solve(within, covariance[np.ix_(known, others)]).T
    moved = mean[others] + slopes @ (np.asarray(values) - mean[known])
    return moved, covariance[np.ix_(others, others)] - slopes @ covariance[np.ix_(known, others)]


def mixture_of(*gaussians):
    """A fitted mixture of scikit-learn's, of equal weights."""
    means, covariances = map(np.array, zip(*gaussians, strict=True))
    mixture = GaussianMixture(len(means))
    mixture.weights_, mixture.means_ = np.full(len(means), 1 / len(means)), means
    mixture.covariances_ = covariances
    roots = np.linalg.cholesky(covariances)
    mixture.precisions_cholesky_ = np.linalg.inv(roots).swapaxes(1, 2)
    mixture.n_features_in_ = means.shape[1]
    return mixture


@functools.cache
def linear(d=3):
    """A flow that mixes columns by linear maps alone, so that its answers are exact."""
    rng = np.random.default_rng(0)
    X = correlated(200) if d == 3 else rng.multivariate_normal(*gaussian(d), 200)
    mixing = b.LULinear(d)
    mixing.start(torch.from_numpy(gaussian(d, 1)[1]).float(), torch.ones(d))
    steps = [b.ElementwiseSpline(d), mixing] if d == 3 else [mixing]
    return FlowDensity(steps, n_components=2 if d == 3 else 1, **QUICK).fit(X)


@functools.cache
def bent(d=2):
    """A flow of couplings, whose answers come from draws."""
    X = moons(150) if d == 2 else correlated(150)
    couplings = [b.SplineCoupling(d, reverse=reverse, hidden_units=16) for reverse in (False, True)]
    return FlowDensity(couplings, n_components=3, **QUICK).fit(X)


@functools.cache
def chain():
    """Columns in the order of neighbours."""
    return RGFlowDensity(hidden_units=8, **QUICK).fit(moons(150))


def fits(drawn, cdf):
    """Whether draws are spread as a distribution says, but for one time in a thousand."""
    return stats.kstest(drawn, cdf).pvalue > 1e-3

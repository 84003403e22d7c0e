"""Densities with a fault each, and evidence of them."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit.reports._evidence import Evidence


class Wide(GaussianMixture):
    """A Gaussian that believes in a far larger spread than the rows have."""

    def fit(self, X, y=None):
        super().fit(np.concatenate([np.asarray(X) * 30, -np.asarray(X) * 30]))
        return self


class Impossible(GaussianMixture):
    """A Gaussian that holds rows above the mean impossible."""

    def score_samples(self, X):
        scores = super().score_samples(X)
        return np.where(np.asarray(X)[:, 0] > self.means_[0, 0], -np.inf, scores)


class Nowhere(GaussianMixture):
    """A density that holds all rows impossible."""

    def score_samples(self, X):
        return np.full(len(X), -np.inf)


class OffByMuch(GaussianMixture):
    """A density with a latent from which rows do not come back."""

    error = 0.1

    def transform(self, X):
        return np.asarray(X) * 2.0

    def inverse_transform(self, Z):
        return Z / 2.0 + self.error


class Invertible(OffByMuch):
    """The same, and they come back."""

    error = 0.0


class Trained(BaseEstimator):
    """What has nothing but the record of its training."""

    n_iter_no_change = 20

    def __init__(self, valid=(), max_epochs=40):
        self.valid = valid
        self.max_epochs = max_epochs

    def fit(self, X, y=None):
        valid = np.asarray(self.valid, dtype=float)
        epochs = np.arange(len(valid))
        self.n_features_in_ = np.shape(X)[1]
        self.best_epoch_ = int(np.nan_to_num(valid, nan=-np.inf).argmax())
        self.history_ = {
            "epoch": epochs,
            "train_log_density": valid + 0.1,
            "valid_log_density": valid,
        }
        return self

    def score_samples(self, X):
        return -0.5 * (np.asarray(X) ** 2).sum(1)


def normal_rows(n=300, d=3, seed=0):
    """Independent normal columns."""
    return np.random.default_rng(seed).normal(size=(n, d))


def evidence_of(estimator, X, fit=True, **options) -> Evidence:
    """Evidence of an estimator that is fitted to X."""
    given = {"X_test": None, "refit": True, "detector": None, "n_strange": 2, "seed": 0, **options}
    return Evidence(estimator.fit(X) if fit else estimator, X, **given)


def kernels(bandwidth=0.5):
    """A kernel density."""
    return KernelDensity(bandwidth=bandwidth)

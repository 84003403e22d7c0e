"""Rows and members that tests of stacks share."""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import StackedDensity


def rows(n=200, d=2, seed=0):
    """Two groups, one of them wide."""
    rng = np.random.default_rng(seed)
    return np.where(
        rng.uniform(size=(n, 1)) < 0.5, rng.normal(size=(n, d)), 4 * rng.laplace(2, 1, (n, d))
    )


def members():
    """Densities that are right in different places."""
    return [
        ("mixture", GaussianMixture(2, init_params="random_from_data")),
        ("wide", KernelDensity(bandwidth=2.0)),
        ("narrow", KernelDensity(bandwidth=0.3)),
    ]


def stack(given=None, **options):
    return StackedDensity(members() if given is None else given, **{"random_state": 0, **options})


def mean_under(weights, log_densities, sample_weight=None):
    """Mean log density of a weighted mean of densities."""
    each = np.logaddexp.reduce(log_densities + np.log(weights), axis=1)
    return np.average(each, weights=sample_weight)

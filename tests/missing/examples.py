"""Densities and incomplete rows that several of these tests share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid
from sklearn.datasets import make_moons

from flowkit import FlowDensity, FractalFlowDensity, RGFlowDensity

SMALL = {"hidden_units": 16, "max_epochs": 4, "random_state": 0, "missing": "marginalize"}
DENSITIES = {
    "flow": lambda **kw: FlowDensity(**{**SMALL, "n_transforms": 2, "n_components": 4, **kw}),
    "laplace": lambda **kw: FlowDensity(**{**SMALL, "n_transforms": 2, "prior": "laplace", **kw}),
    "autoregressive": lambda **kw: FlowDensity(
        "affine_autoregressive", **{**SMALL, "n_transforms": 2, "prior": "student_t", **kw}
    ),
    "fractal": lambda **kw: FractalFlowDensity(
        3, **{**SMALL, "n_blocks": 2, "lda_backend": None, **kw}
    ),
    "rg": lambda **kw: RGFlowDensity(**{**SMALL, "n_layers": 1, "hidden_units": 8, **kw}),
}
every_density = pytest.mark.parametrize("build", DENSITIES.values(), ids=DENSITIES)


def with_holes(X, share=0.3, seed=1):
    hidden = np.random.default_rng(seed).uniform(size=X.shape) < share
    return np.where(hidden, np.nan, X)


def moons(n=400, seed=0):
    """In units that differ by column."""
    return make_moons(n, noise=0.1, random_state=seed)[0] * [10.0, 1.0] + [50.0, 0.0]


def correlated(n=400, seed=0):
    return np.random.default_rng(seed).multivariate_normal(
        [1.0, -2.0, 0.0], [[4.0, 1.8, 0.5], [1.8, 1.0, 0.2], [0.5, 0.2, 1.0]], n
    )


def integrated(density, row, half_width=12.0, n=301):
    """Log of the integral of the density over the missing columns of a row, on a grid."""
    missing = np.flatnonzero(np.isnan(row))
    t = np.linspace(-half_width, half_width, n if len(missing) > 1 else 4001)
    axes = [density.location_[j] + density.scale_[j] * t for j in missing]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    rows = np.broadcast_to(row, (*grid.shape[:-1], len(row))).copy()
    rows[..., missing] = grid
    values = np.exp(density.score_samples(rows.reshape(-1, len(row)))).reshape(grid.shape[:-1])
    for axis in reversed(axes):
        values = trapezoid(values, axis)
    return np.log(values)

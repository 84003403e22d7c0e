"""Tables that several of these tests share."""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

from flowkit import FlowDensity, TableDensity

INNER = {
    "flow": FlowDensity(n_transforms=2, hidden_units=16, max_epochs=3, random_state=0),
    "mixture": GaussianMixture(3, random_state=0),
    "kernel": KernelDensity(bandwidth=0.3),
}
DECLARED = {
    "bounds": {"weight": (0, None), "share": (0, 1), "children": (0, None)},
    "periods": {"hour": 24},
}
FRAME_KINDS = [
    *3 * ["categorical"],
    *2 * ["integer"],
    *2 * ["bounded"],
    "circular",
    "continuous",
]


def table(density=INNER["mixture"], **parameters):
    return TableDensity(density, **{"random_state": 0, **parameters})


def objects(*columns):
    """An array of columns of different types."""
    array = np.empty((len(columns[0]), len(columns)), dtype=object)
    for j, column in enumerate(columns):
        array[:, j] = np.asarray(column).tolist()
    return array


N = 1000


def mixture_table(density=None, **parameters):
    density = GaussianMixture(2, random_state=0) if density is None else density
    return TableDensity(density, **{"random_state": 0, **parameters})

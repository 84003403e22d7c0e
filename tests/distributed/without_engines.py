"""What a process does that has neither dask nor accelerate."""

from __future__ import annotations

import sys

import numpy as np

from flowkit import FlowDensity
from flowkit.exceptions import MissingDependencyError


def ask() -> None:
    """Import what needs them, and tell whether errors say how to install them."""
    assert "flowkit.distributed" not in sys.modules
    sys.modules.update(dict.fromkeys(["dask", "accelerate"]))
    from flowkit import distributed

    density = FlowDensity(max_epochs=1).fit(np.random.default_rng(0).normal(size=(40, 2)))
    for call in (
        lambda: distributed.score_samples(density, 1),
        lambda: distributed.data_parallel().__enter__(),
    ):
        try:
            call()
        except MissingDependencyError as error:
            print("density[distributed]" in str(error))

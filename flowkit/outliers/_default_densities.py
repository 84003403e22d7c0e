"""The densities of a detector that is given none."""

from __future__ import annotations

from ..estimators.flow import FlowDensity
from .views import DependenceForest, RankedNeighbors, SingleColumns


def default_densities() -> list:
    """The densities of a detector that is given none, not fitted yet.

    Returns
    -------
    list of estimator
        Kernels on the rows in a space that a flow bends; neighbours among ranks; a forest that
        knows which values go together; and each column by itself.
    """
    return [
        FlowDensity(
            prior="kernel",
            n_transforms=2,
            hidden_units=32,
            dropout=0.0,
            noise=0.1,
            bandwidth_factor=0.25,
            max_epochs=30,
            learning_rate=3e-3,
            weight_decay=1e-2,
            n_iter_no_change=10,
        ),
        RankedNeighbors(),
        DependenceForest(),
        SingleColumns(),
    ]

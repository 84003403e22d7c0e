"""The densities of a detector that is given none."""

from __future__ import annotations

import numpy as np

from ..estimators.flow import FlowDensity
from .views import DependenceForest, LevelsAsColumns, RankedNeighbors, SingleColumns


def default_densities(categorical_features=None) -> list:
    """The densities of a detector that is given none, not fitted yet.

    Parameters
    ----------
    categorical_features : array-like, default=None
        Columns that hold codes of levels, by a mask or by their positions; None for no column.

    Returns
    -------
    list of estimator
        Kernels on the rows, in a space that a flow bends; neighbours among ranks; a forest that
        knows which values go together; and each column by itself.
    """
    kernels = FlowDensity(
        prior="kernel",
        n_transforms=2,
        hidden_units=32,
        dropout=0.0,
        noise=0.1,
        bandwidth_factor=0.25,
        max_epochs=20,
        learning_rate=2e-3,
        weight_decay=1e-2,
        n_iter_no_change=10,
    )
    levels = {}
    given = np.asarray([] if categorical_features is None else categorical_features)
    if given.any() if given.dtype == bool else given.size:
        levels = {"categorical_features": categorical_features}
        kernels = LevelsAsColumns(kernels, **levels)
    return [kernels, RankedNeighbors(**levels), DependenceForest(), SingleColumns(**levels)]

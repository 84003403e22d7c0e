"""The densities of a detector that is given none."""

from __future__ import annotations

from ..estimators.flow import FlowDensity


def default_densities() -> list[FlowDensity]:
    """The densities of a detector that is given none, not fitted yet."""
    shared = {
        "prior": "kernel",
        "n_transforms": 2,
        "hidden_units": 32,
        "dropout": 0.0,
        "max_epochs": 30,
        "learning_rate": 3e-3,
        "weight_decay": 1e-2,
        "n_iter_no_change": 10,
    }
    return [
        FlowDensity(noise=0.1, dequantize=None, **shared),
        FlowDensity(noise=0.1, bandwidth_factor=0.25, **shared),
        FlowDensity(noise="scott", dequantize=None, bandwidth_factor=0.5, **shared),
    ]

"""The members of a stack that is given none."""

from __future__ import annotations

from ..estimators import FlowDensity, FractalFlowDensity


def default_members() -> list[tuple]:
    """Names and densities, not fitted yet: each is best on some tables.

    Returns
    -------
    list of (str, estimator)
        A Gaussian mixture behind a linear map, a flow, a fractal flow, and kernels that a flow
        bends.
    """
    return [
        ("mixture", FlowDensity(n_transforms=0)),
        ("flow", FlowDensity()),
        ("fractal_flow", FractalFlowDensity()),
        ("kernel_flow", FlowDensity(prior="kernel")),
    ]

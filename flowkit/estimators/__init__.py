"""Estimators with scikit-learn's interface."""

from ._base import BaseDensity
from ._device import resolve_device as resolve_device
from .flow import FlowDensity
from .fractal import FractalFlowDensity
from .phvae import PHVAE
from .rg import RGFlowDensity

__all__ = [
    "PHVAE",
    "BaseDensity",
    "FlowDensity",
    "FractalFlowDensity",
    "RGFlowDensity",
]

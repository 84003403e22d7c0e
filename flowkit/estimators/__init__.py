"""Estimators with scikit-learn's interface."""

from ._base import BaseDensity
from .flow import FlowDensity
from .fractal import FractalFlowDensity
from .rg import RGFlowDensity

__all__ = ["BaseDensity", "FlowDensity", "FractalFlowDensity", "RGFlowDensity"]

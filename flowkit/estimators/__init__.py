"""Estimators with scikit-learn's interface."""

from ._base import BaseDensity
from .flow import FlowDensity

__all__ = ["BaseDensity", "FlowDensity"]

"""Densities combined: a density that is a weighted mean of others."""

from .stacked import StackedDensity

__all__ = ["StackedDensity"]

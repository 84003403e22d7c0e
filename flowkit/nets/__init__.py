"""Conditioner networks; their last layer starts at zero, so that flows start at the identity."""

from ._layers import set_dropout_generator
from .made import MADE
from .mlp import ResidualMLP

__all__ = ["MADE", "ResidualMLP", "set_dropout_generator"]

"""Conditioner networks; their last layer starts at zero, so that flows start at the identity."""

from ._layers import set_dropout_generator
from .conv import ConvNet
from .grouped import GroupedMLP
from .kan import KAN
from .made import MADE
from .mlp import ResidualMLP
from .swish import SwishResNet

__all__ = [
    "KAN",
    "MADE",
    "ConvNet",
    "GroupedMLP",
    "ResidualMLP",
    "SwishResNet",
    "set_dropout_generator",
]

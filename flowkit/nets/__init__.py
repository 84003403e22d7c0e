"""Conditioner networks, whose last layer is initialised at zero: flows begin as the identity."""

from .conv import ConvNet
from .grouped import GroupedMLP
from .images import ConvDecoder, ConvEncoder
from .kan import KAN
from .layers import StandardNormal, generator_of, set_generator
from .made import MADE
from .mlp import ResidualMLP
from .polynomial import Polynomials
from .swish import SwishResNet

__all__ = [
    "KAN",
    "MADE",
    "ConvDecoder",
    "ConvEncoder",
    "ConvNet",
    "GroupedMLP",
    "Polynomials",
    "ResidualMLP",
    "StandardNormal",
    "SwishResNet",
    "generator_of",
    "set_generator",
]

"""Normalised densities of the latent."""

from ._base import Prior
from .factorised import Laplace, Normal, StudentT
from .hierarchical import HierarchicalNormal
from .kernel import Kernel
from .location_scale import LocationScale
from .mixture import GaussianMixture
from .partial_topic import PartialTopic
from .product import Product
from .topic import Topic

__all__ = [
    "GaussianMixture",
    "HierarchicalNormal",
    "Kernel",
    "Laplace",
    "LocationScale",
    "Normal",
    "PartialTopic",
    "Prior",
    "Product",
    "StudentT",
    "Topic",
]

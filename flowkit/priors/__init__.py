"""Normalised densities of the latent."""

from ._base import Prior
from .column_law import ColumnLaw, IndependentLaw, NormalMixtureLaw
from .factorised import Laplace, Normal, StudentT
from .hierarchical import HierarchicalNormal
from .kernel import Kernel
from .location_scale import LocationScale
from .mixture import GaussianMixture
from .partial_topic import PartialTopic
from .product import Product
from .topic import Topic

__all__ = [
    "ColumnLaw",
    "GaussianMixture",
    "HierarchicalNormal",
    "IndependentLaw",
    "Kernel",
    "Laplace",
    "LocationScale",
    "Normal",
    "NormalMixtureLaw",
    "PartialTopic",
    "Prior",
    "Product",
    "StudentT",
    "Topic",
]

"""Normalised densities of the latent."""

from ._base import Prior
from .factorised import Laplace, Normal, StudentT
from .mixture import GaussianMixture
from .product import Product
from .topic import Topic

__all__ = ["GaussianMixture", "Laplace", "Normal", "Prior", "Product", "StudentT", "Topic"]

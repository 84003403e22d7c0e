"""Invertible maps with a known Jacobian determinant, each usable on its own as a torch module."""

from ._base import Bijection, Elementwise
from ._univariate import Affine, RationalQuadraticSpline
from .arcsinh import Arcsinh
from .autoregressive import AffineAutoregressive, Autoregressive, SplineAutoregressive
from .composition import Compose, Inverse
from .coupling import AffineCoupling, Coupling, SplineCoupling
from .elementwise import (
    ActNorm,
    ElementwiseAffine,
    ElementwiseSpline,
    Exp,
    Log,
    Logit,
    Sigmoid,
    SinhArcsinh,
    Softplus,
    Tanh,
)
from .fractal import FractalAutoregressive, FractalCoupling
from .laplace_quantile import LaplaceQuantile
from .lattice import Lattice
from .lifting import Lifting
from .linear import LULinear, Permutation
from .planar import Planar, Sylvester

__all__ = [
    "ActNorm",
    "Affine",
    "AffineAutoregressive",
    "AffineCoupling",
    "Arcsinh",
    "Autoregressive",
    "Bijection",
    "Compose",
    "Coupling",
    "Elementwise",
    "ElementwiseAffine",
    "ElementwiseSpline",
    "Exp",
    "FractalAutoregressive",
    "FractalCoupling",
    "Inverse",
    "LULinear",
    "LaplaceQuantile",
    "Lattice",
    "Lifting",
    "Log",
    "Logit",
    "Permutation",
    "Planar",
    "RationalQuadraticSpline",
    "Sigmoid",
    "SinhArcsinh",
    "Softplus",
    "SplineAutoregressive",
    "SplineCoupling",
    "Sylvester",
    "Tanh",
]

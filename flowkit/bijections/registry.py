"""Bijections by name: what a name stands for, wherever an estimator takes one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from .._options import refuse_unknown, taken
from ._base import Bijection
from .autoregressive import AffineAutoregressive, SplineAutoregressive
from .coupling import AffineCoupling, SplineCoupling
from .fractal import FractalAutoregressive, FractalCoupling
from .laplace_quantile import LaplaceQuantile
from .lifting import Lifting
from .linear import LULinear, Permutation
from .planar import Planar, Sylvester

# Each name stands for the bijections of one step, in the order from data to latent.
TRANSFORMS = {
    "spline_coupling": (LULinear, SplineCoupling),
    "affine_coupling": (LULinear, AffineCoupling),
    "spline_autoregressive": (LULinear, SplineAutoregressive),
    "affine_autoregressive": (LULinear, AffineAutoregressive),
}
FRACTALS = {
    "coupling": (FractalCoupling,),
    "autoregressive": (FractalAutoregressive,),
    "lifting": (Lifting,),
}
POSTERIOR_FLOWS = {
    "planar": (Planar,),
    "sylvester": (Sylvester,),
    # Draws need the fast direction: the masked step runs from noise to latent.
    "iaf": (AffineAutoregressive, Permutation),
    "coupling": (AffineCoupling,),
}
PRIOR_FLOWS = {
    "coupling": (SplineCoupling, LULinear),
    "autoregressive": (SplineAutoregressive, LULinear),
    "fractal": (FractalCoupling, LULinear),
}
# What maps standard normal columns onto those of the prior of a name, by its scale; None for what
# they are already.
QUANTILES = {"normal": None, "laplace": LaplaceQuantile}


def build_steps(
    step: Sequence[type[Bijection]], n_steps: int, n_features: int, **options
) -> list[Bijection]:
    """Bijections of several steps of a kind, one after the other.

    Parameters
    ----------
    step : sequence of subclasses of Bijection
        The bijections of one step, such as an entry of `TRANSFORMS`.
    n_steps : int
        Number of steps.
    n_features : int
        Number of columns.
    **options
        Options of the constructors. Each is given those that it takes: one that takes ``reverse``
        is reversed in every second step, and one that takes no ``n_bins`` is not given any.

    Raises
    ------
    UnknownNameError
        If no bijection that has a name takes an option.

    Returns
    -------
    list of Bijection
        As many for each step as its kind has.

    Examples
    --------
    >>> from flowkit.bijections.registry import TRANSFORMS, build_steps
    >>> steps = build_steps(TRANSFORMS["affine_coupling"], 2, 4, hidden_units=8, n_bins=4)
    >>> [type(step).__name__ for step in steps]
    ['LULinear', 'AffineCoupling', 'LULinear', 'AffineCoupling']
    >>> steps[1].reverse, steps[3].reverse
    (False, True)
    """
    kinds = (TRANSFORMS, FRACTALS, POSTERIOR_FLOWS, PRIOR_FLOWS)
    refuse_unknown(options, chain(step, *(one for kind in kinds for one in kind.values())))
    return [
        bijection(n_features, **taken(bijection, {"reverse": bool(i % 2), **options}))
        for i in range(n_steps)
        for bijection in step
    ]

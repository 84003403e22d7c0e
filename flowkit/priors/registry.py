"""Priors by name: what a name stands for, wherever an estimator takes one."""

from __future__ import annotations

import functools
import math

from .._options import refuse_unknown, taken
from ._base import Prior
from .factorised import Laplace, Normal, StudentT
from .kernel import Kernel
from .mixture import GaussianMixture

# Those with independent columns, each a `LocationScale`.
FACTORISED = {
    "normal": Normal,
    # Of unit variance, as the columns of a flow begin.
    "laplace": functools.partial(Laplace, scale=math.sqrt(0.5)),
    "student_t": StudentT,
}
PRIORS = {**FACTORISED, "gaussian_mixture": GaussianMixture, "kernel": Kernel}


def build_prior(name: str, n_features: int, **options) -> Prior:
    """The prior of a name.

    Parameters
    ----------
    name : str
        One of `PRIORS`.
    n_features : int
        Number of columns.
    **options
        Options of the constructors, of which the one named is given those that it takes. None
        stands for its default.

    Returns
    -------
    Prior
        Newly built, with its initial parameters.

    Raises
    ------
    UnknownNameError
        If no prior of a name takes an option.

    Examples
    --------
    >>> from flowkit.priors.registry import build_prior
    >>> build_prior("laplace", 2, n_components=3).scale ** 2
    0.5000000000000001
    """
    refuse_unknown(options, PRIORS.values())
    given = {option: value for option, value in options.items() if value is not None}
    return PRIORS[name](n_features, **taken(PRIORS[name], given))

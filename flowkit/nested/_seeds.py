"""Seeds handed down to the densities that an estimator holds."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.base import clone

from .._seeds import check_random_state, draw_seed
from ..exceptions import InvalidParameterError


def seeded_copies(density, n_copies: int, random_state, rng: np.random.RandomState) -> list:
    """Clones of a nested density, with seeds handed down to them.

    A seed that a user gave to the density, or to what that holds, stays. One that is None is filled
    from the estimator around it, unless that has none either. Where several copies are made, they
    must differ: the first has the seeds that were given, and the others get seeds drawn from these.

    Parameters
    ----------
    density : estimator
        What to clone; left as it is.
    n_copies : int
        Number of clones. A density without a seed is cloned once, as all would be alike.
    random_state : int, RandomState instance, Generator or None
        Parameter of the estimator that holds the density.
    rng : RandomState
        Source of randomness made of `random_state`.

    Returns
    -------
    list of estimators
        The clones.
    """
    parameters = density.get_params()
    given = {name: parameters[name] for name in seed_names(density)}
    # Copies, as a source that a user gave does not move on.
    own = {
        name: check_random_state(copy.deepcopy(seed))
        for name, seed in given.items()
        if seed is not None
    }
    left = {name for name in given if name in own or _is_filled_within(density, name)}
    copies = [clone(density) for _ in range(n_copies if given else 1)]
    for i, one in enumerate(copies):
        seeds = {name: draw_seed(own[name]) for name in own} if i else {}
        for name in given:
            if random_state is not None or (i and name not in own):
                # Drawn for every name, so that a seed that is given leaves the others as they are.
                drawn = draw_seed(rng)
                seeds |= {} if name in left else {name: drawn}
        one.set_params(**seeds)
    return copies


def _is_filled_within(density, name: str) -> bool:
    """Whether a wrapper within a density hands its own seed down to the parameter of this name."""
    parameters, path = density.get_params(), name.split("__")[:-1]
    around = [
        parameters["__".join(path[:depth])] if depth else density for depth in range(len(path))
    ]
    return any(
        hasattr(holder, "_held") and "random_state" in holder.get_params(deep=False)
        for holder in around
    )


def seed_names(density) -> list[str]:
    """Names of the parameters of an estimator that hold a source of randomness, nested ones too.

    Raises
    ------
    InvalidParameterError
        If it is a class.
    """
    if isinstance(density, type):
        raise InvalidParameterError(
            f"density is the class {density.__name__}: give an instance, {density.__name__}()."
        )
    return sorted(name for name in density.get_params() if name.split("__")[-1] == "random_state")

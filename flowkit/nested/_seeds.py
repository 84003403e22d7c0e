"""Seeds handed down to the densities that an estimator holds."""

from __future__ import annotations

import copy

import numpy as np
from sklearn.base import clone

from .._seeds import check_random_state
from ..exceptions import InvalidParameterError

_MAX_SEED = np.iinfo(np.int32).max


def seeded_copies(density, n_copies: int, random_state, rng: np.random.RandomState) -> list:
    """Clones of a nested density, seeded as in the ensembles of scikit-learn.

    Parameters
    ----------
    density : estimator
        What to clone; left as it is.
    n_copies : int
        Number of clones. There is one of a density without a seed: all would be alike.
    random_state : int, RandomState instance, Generator or None
        Parameter of the estimator that holds the density. Unless it is None, each `random_state`
        within the density is set from `rng`. None leaves them to the first clone, and gives the
        others seeds that are drawn from them.
    rng : RandomState
        Source of randomness made of `random_state`.

    Returns
    -------
    list of estimators
        The clones.
    """
    parameters = density.get_params()
    own = {name: parameters[name] for name in seed_names(density)}
    copies = [clone(density) for _ in range(n_copies if own else 1)]
    if random_state is not None:
        sources, seeded = dict.fromkeys(own, rng), copies
    else:
        # What a user gave does not move on.
        sources = {name: check_random_state(copy.deepcopy(seed)) for name, seed in own.items()}
        seeded = copies[1:]
    for one in seeded:
        one.set_params(**{name: sources[name].randint(_MAX_SEED) for name in own})
    return copies


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

"""What users give as `random_state`, as the one thing that is drawn from."""

from __future__ import annotations

import numpy as np
from sklearn import utils

from .exceptions import InvalidParameterError

# The largest seed that all libraries take.
_MAX_SEED = np.iinfo(np.int32).max


def draw_seed(rng: np.random.RandomState) -> int:
    """A seed for what takes no RandomState, or must be the same each time.

    Parameters
    ----------
    rng : RandomState
        Source of randomness.

    Returns
    -------
    int
        From 0 to 2**31 - 2.
    """
    return int(rng.randint(_MAX_SEED))


def check_random_state(random_state) -> np.random.RandomState:
    """Source of randomness, as scikit-learn's function of this name, of a Generator too.

    Parameters
    ----------
    random_state : int, RandomState instance, Generator or None
        A RandomState is returned as it is; a Generator seeds a new one and thereby moves on. None
        is numpy's global RandomState.

    Returns
    -------
    RandomState
        What to draw from.

    Raises
    ------
    InvalidParameterError
        If it is none of these.
    """
    if isinstance(random_state, np.random.Generator):
        return np.random.RandomState(random_state.integers(2**32, size=4, dtype=np.uint32))
    try:
        return utils.check_random_state(random_state)
    except ValueError:
        raise InvalidParameterError(
            "random_state must be an int from 0 to 2**32 - 1, a RandomState, a Generator or None, "
            f"got {random_state!r}."
        ) from None

"""Seconds that a whole fit may take, shared among the densities that are still to fit."""

from __future__ import annotations

import contextlib
import time

from ._nested_parameters import names_of

# Seconds for a density whose share is used up: a parameter of 0 is refused.
_LEAST = 1e-3


def can_end(density) -> bool:
    """Whether the fit of a density can be told when to end."""
    return bool(_limits(density))


def _limits(density):
    return names_of(density, "max_time", lambda value: value is None)


class TimeLimit:
    """A clock that runs from when the object is made.

    Parameters
    ----------
    max_time : float or None
        Seconds for all fits together, None for any number.
    n_fits : int
        Number of fits among which they are shared.
    """

    def __init__(self, max_time: float | None, n_fits: int):
        self._ends = None if max_time is None else time.monotonic() + max_time
        self._n_left = n_fits

    @contextlib.contextmanager
    def share(self, density):
        """Context in which a density has its share of the time that is left, to be fitted next.

        Parameters
        ----------
        density : estimator
            Each of its parameters `max_time`, and of what it holds, that is None is set meanwhile.
        """
        if self._ends is None:
            yield
            return
        names = _limits(density)
        seconds = max(_LEAST, (self._ends - time.monotonic()) / max(1, self._n_left))
        density.set_params(**dict.fromkeys(names, seconds))
        try:
            yield
        finally:
            # Later chunks of a stream have shares of their own.
            density.set_params(**dict.fromkeys(names))
        self._n_left -= bool(names)

"""Seconds that a whole fit may take, shared among the densities that are still to fit."""

from __future__ import annotations

import contextlib
import math
import time

from ._nested_parameters import names_of

# Seconds for a density whose share is used up: a parameter of 0 is refused.
_LEAST = 1e-3


class TimeLimit:
    """A clock that runs from when the object is made.

    Parameters
    ----------
    max_time : float or None
        Seconds for all fits together, None for any number.
    n_fits : int
        Number of fits among which they are shared.
    n_at_once : int, default=1
        Number of fits that run side by side.
    """

    def __init__(self, max_time: float | None, n_fits: int, n_at_once: int = 1):
        self._ends = None if max_time is None else time.monotonic() + max_time
        self._n_rounds = math.ceil(n_fits / n_at_once)
        self._n_begun, self._n_at_once = 0, n_at_once

    def next_share(self) -> float | None:
        """Seconds for the fit that begins now; None for any number."""
        left = self.seconds_left()
        if left is None:
            return None
        n_left = max(1, self._n_rounds - self._n_begun // self._n_at_once)
        self._n_begun += 1
        return max(_LEAST, left / n_left)

    def seconds_left(self) -> float | None:
        """Seconds until the end, negative after it; None for any number."""
        return None if self._ends is None else self._ends - time.monotonic()

    def share(self, density):
        """Context in which a density has its share of the time that is left, to be fitted next.

        Parameters
        ----------
        density : estimator
            Each of its parameters `max_time`, and of what it holds, that is None is set meanwhile.
        """
        return limited(density, self.next_share() if can_end(density) else None)


def can_end(density) -> bool:
    """Whether the fit of a density can be told when to end."""
    return bool(_limits(density))


@contextlib.contextmanager
def limited(density, seconds: float | None):
    """Context in which the fit of a density ends in time.

    Parameters
    ----------
    density : estimator
        Each of its parameters `max_time`, and of what it holds, that is None is set meanwhile,
        except within what has such a parameter and so shares its time itself.
    seconds : float or None
        The number, None for any.
    """
    if seconds is None:
        yield
        return
    names = _limits(density)
    density.set_params(**dict.fromkeys(names, seconds))
    try:
        yield
    finally:
        # Later chunks of a stream have shares of their own.
        density.set_params(**dict.fromkeys(names))


def _limits(density):
    """Names of the limits to set: what holds a limit of its own shares it among what is within."""
    holders = {name.removesuffix("max_time") for name in names_of(density, "max_time", _is_any)}
    return [
        name
        for name in names_of(density, "max_time", lambda value: value is None)
        if not any(name.startswith(holder) for holder in holders - {name.removesuffix("max_time")})
    ]


def _is_any(value):
    return True

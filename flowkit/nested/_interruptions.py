"""Whether Ctrl-C ends the fit of a density alone, or that of what is around it as well."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar

_are_passed_on = ContextVar("interruptions_are_passed_on", default=False)


@contextlib.contextmanager
def interruptions_passed_on():
    """Context in which a density whose training Ctrl-C ends raises `KeyboardInterrupt`.

    Elsewhere it keeps its best weights so far, with a warning. A longer fit would then go on with
    a density that is trained in part, as if nothing had happened.
    """
    token = _are_passed_on.set(True)
    try:
        yield
    finally:
        _are_passed_on.reset(token)


def are_passed_on() -> bool:
    """Whether an interruption ends what is around the density that is being fitted."""
    return _are_passed_on.get()

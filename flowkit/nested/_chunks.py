"""Densities inside others that learn from chunks of rows."""

from __future__ import annotations


def takes_chunks(density) -> bool:
    """Whether a density, fitted or not, goes on training with `partial_fit`."""
    # Frozen estimators lend the method of the one within, which must not change.
    return hasattr(type(density), "partial_fit") and hasattr(density, "partial_fit")


def require_chunks(density, wrapper) -> bool:
    """Whether a density goes on training with `partial_fit`, for `available_if` of a wrapper.

    Raises
    ------
    AttributeError
        If it does not; the message says why the wrapper has no `partial_fit` either.
    """
    if not takes_chunks(density):
        name, outside = type(density).__name__, type(wrapper).__name__
        raise AttributeError(
            f"{name} has no partial_fit, so that {outside} has none: neighbours and kernels, say, "
            "stand on all training rows. Use a density that has it, such as FlowDensity()."
        )
    return True

"""Rectification and dropout in one compiled pass, and their gradient in another."""

from __future__ import annotations

from .._compiled import compiled


@compiled
def activate(hidden, draws, threshold, scale, out):
    """``out = scale * max(hidden, 0)`` where the draw of a unit reaches the threshold, else 0.

    All are vectors; without draws all units are kept.
    """
    real = hidden.dtype.type
    zero = real(0)
    if len(draws) == 0:
        for i in range(len(hidden)):
            out[i] = max(hidden[i], zero)
        return
    factor = real(scale)
    for i in range(len(hidden)):
        kept = factor if draws[i] >= threshold else zero
        out[i] = max(hidden[i], zero) * kept


@compiled
def add_gradient(grad, activated, scale, total):
    """Add the gradient by ``hidden`` to `total`, from that by the result and the result itself."""
    real = grad.dtype.type
    zero, factor = real(0), real(scale)
    for i in range(len(grad)):
        total[i] += grad[i] * factor if activated[i] > zero else zero

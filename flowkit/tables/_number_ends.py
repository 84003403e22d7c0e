"""Where numbers of a column end: beside its bounds, at the limits of its type, and in words."""

from __future__ import annotations

import math

import numpy as np


def next_to_bounds(x: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Where values on a bound are moved to: half as far from it as the nearest value within."""
    within = x[(x > low) & (x < high)]
    room = (high - low) / 2 if math.isfinite(high - low) else 2.0
    first, last = (within.min(), within.max()) if within.size else (low + room, high - room)
    # No value lies on an infinite bound.
    above_low = low + (first - low) / 2 if math.isfinite(low) else low
    below_high = high - (high - last) / 2 if math.isfinite(high) else high
    return max(above_low, np.nextafter(low, high)), min(below_high, np.nextafter(high, low))


def reach_in_words(low: float, high: float, apart: float, told=lambda x: f"{x:.10g}") -> str:
    """From where to where numbers lie, and how far apart, where they do not lie anywhere."""
    first = f" from {told(low)}" if math.isfinite(low) else ""
    last = f" {'to' if first else 'up to'} {told(high)}" if math.isfinite(high) else ""
    text = first + last if last or not first else f"{first} on"
    return text + (f", which are {apart:g} apart" if apart > 1 else "")


def within_limits(numbers, dtype):
    """Whole numbers, moved to the ends of what their type can hold."""
    name = str(dtype).lower().split("[")[0]
    if name.startswith("float"):
        return numbers
    if name.startswith("bool"):
        return np.clip(numbers, 0, 1).astype(bool)
    limits = np.iinfo(name if "int" in name else np.int64)
    high = float(limits.max)
    # The largest int64 is no float64, and the float64 next to it is too large.
    high = np.nextafter(high, 0) if int(high) > limits.max else high
    return np.clip(numbers, float(limits.min), high).astype(limits.dtype)

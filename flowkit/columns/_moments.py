"""Locations and standard deviations of columns, safe from overflow and rounding."""

from __future__ import annotations

import numpy as np

from ..exceptions import InvalidDataError
from ..validation import name_columns

# Values so many steps of float64 apart, or less, are one but for rounding.
_ROUNDING_STEPS = 4
# Error of a mean, in standard deviations, from which it is corrected.
_LARGEST_SHIFT = 1e-3
# Squares of smaller numbers lose digits.
_SMALLEST_SQUARED = 1e-140
# The last number above which there is another one.
_LAST = np.nextafter(np.finfo(float).max, 0.0)


def location_and_scale(
    X: np.ndarray, weight: np.ndarray | None, names: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of what is known of each column.

    Raises
    ------
    InvalidDataError
        If a mean or standard deviation overflows.
    """
    known = ~np.isnan(X)
    if known.all():
        location, scale, _ = moments(X, weight)
    else:
        parts = [
            moments(X[rows, j, None], None if weight is None else weight[rows])
            for j, rows in enumerate(known.T)
        ]
        location, scale, _ = map(np.concatenate, zip(*parts, strict=True))
    overflow = np.flatnonzero(~np.isfinite(scale))
    if overflow.size:
        raise InvalidDataError(
            f"the values of column(s) {name_columns(overflow, names)} are too large: their "
            "variance overflows float64. Rescale these columns."
        )
    return location, scale


def moments(
    X: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted mean and standard deviation of each column, and which columns are constant.

    The mean of a constant column is its value, the standard deviation 0.
    """
    constant = constant_columns(X)
    with np.errstate(over="ignore", invalid="ignore"):
        location = np.average(X, axis=0, weights=weight)
        scale = _deviation(X - location, weight)
        # Far from zero the mean is rounded by more than the values differ.
        shift = np.average(X - location, axis=0, weights=weight)
        off = ~constant & (np.abs(shift) > _LARGEST_SHIFT * scale)
        if off.any():
            location = np.where(off, location + shift, location)
            scale = _deviation(X - location, weight)
    return np.where(constant, X[0], location), np.where(constant, 0.0, scale), constant


def constant_columns(X: np.ndarray) -> np.ndarray:
    """Which columns hold one value only, but for rounding and missing values."""
    low, high = np.fmin.reduce(X), np.fmax.reduce(X)
    with np.errstate(over="ignore", invalid="ignore"):
        step = steps(np.maximum(np.abs(low), np.abs(high)))
        return high - low <= _ROUNDING_STEPS * step


def steps(sizes: np.ndarray) -> np.ndarray:
    """Distance of positive numbers to the next larger one, of the largest one to the last."""
    return np.spacing(np.minimum(sizes, _LAST))


def _deviation(deviations, weight):
    """Root of the mean square of each column, where squares vanish too."""
    largest = np.abs(deviations).max(0)
    # A power of two changes no digit.
    small = (largest > 0) & (largest < _SMALLEST_SQUARED)
    unit = np.where(small, np.ldexp(1.0, np.frexp(largest)[1]), 1.0)
    return unit * np.sqrt(np.average((deviations / unit) ** 2, axis=0, weights=weight))

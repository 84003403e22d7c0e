"""What is learned about the columns before any training: place and scale, noise."""

from __future__ import annotations

import warnings

import numpy as np

from ..exceptions import ConstantColumnWarning, InvalidDataError, OutsideSupportError
from ..validation import name_columns
from ._gaps import Gap
from ._ties import HeavyValue, find_ties

# Values so many steps of float64 apart, or less, are one but for rounding.
_ROUNDING_STEPS = 4
# Error of a mean, in deviations, that is mended.
_LARGEST_SHIFT = 1e-3
# Squares of smaller numbers lose digits.
_SMALLEST_SQUARED = 1e-140
# Deviation of uniform noise of width one.
_UNIFORM_DEVIATION = 12**-0.5


def location_and_scale(
    X: np.ndarray, weight: np.ndarray | None, names: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and deviation of what is known of each column.

    Raises
    ------
    InvalidDataError
        If a mean or deviation overflows.
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


def without_far_values(U: np.ndarray, X: np.ndarray, heavy: list[HeavyValue]) -> np.ndarray:
    """Rows of U with values far away in X missing, so that these have no say in its scale."""
    far = [value for value in heavy if value.far]
    U = U.copy() if far else U
    for value in far:
        U[X[:, value.column] == value.value, value.column] = np.nan
    return U


def moments(
    X: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted mean and deviation of each column, and which columns are constant.

    The mean of a constant column is its value, the deviation 0.
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
        step = np.spacing(np.maximum(np.abs(low), np.abs(high)))
        return high - low <= _ROUNDING_STEPS * step


def _deviation(deviations, weight):
    """Root of the mean square of each column, where squares vanish too."""
    largest = np.abs(deviations).max(0)
    # A power of two changes no digit.
    small = (largest > 0) & (largest < _SMALLEST_SQUARED)
    unit = np.where(small, np.ldexp(1.0, np.frexp(largest)[1]), 1.0)
    return unit * np.sqrt(np.average((deviations / unit) ** 2, axis=0, weights=weight))


def warn_constant(constant: np.ndarray, names: np.ndarray | None) -> None:
    """Name the constant columns, if any."""
    columns = np.flatnonzero(constant)
    if columns.size:
        warnings.warn(
            f"column(s) {name_columns(columns, names)} hold one value only; they are modelled as "
            "that value with uniform noise of width one in training.",
            ConstantColumnWarning,
            stacklevel=4,
        )


def column_noise(
    X: np.ndarray, constant: np.ndarray, dequantize: str | None
) -> tuple[np.ndarray, list[HeavyValue], list[Gap]]:
    """Width, in data units, of the uniform noise of each column, heavy values, and gaps.

    Values may be missing. Without noise, only heavy values far away are told.
    """
    widths, heavy, gaps = np.zeros(X.shape[1]), [], []
    for j in np.flatnonzero(~constant):
        spacing, standing, empty = find_ties(X[~np.isnan(X[:, j]), j], int(j))
        widths[j] = spacing if dequantize == "auto" else 0.0
        heavy += [value for value in standing if value.far or dequantize == "auto"]
        gaps += empty
    widths[constant] = 1.0
    return widths, heavy, gaps


def scale_with_noise(scale: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Deviation of each column once its noise is added."""
    return np.hypot(scale, _UNIFORM_DEVIATION * widths)


def refuse_outside_support(log_density: np.ndarray) -> None:
    """Refuse training rows that have no density.

    Raises
    ------
    OutsideSupportError
        If a log density is not finite.
    """
    outside = np.flatnonzero(~np.isfinite(log_density))
    if outside.size:
        shown = ", ".join(map(str, outside[:10]))
        raise OutsideSupportError(
            f"{outside.size} training row(s) have no finite log density before training, rows "
            f"{shown} first: they lie outside the domain of the transforms. Rescale X into the "
            "domain, or set standardize=False if X already lies in it."
        )

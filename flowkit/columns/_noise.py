"""Uniform noise that makes columns continuous, and columns of one value."""

from __future__ import annotations

import numpy as np

from ..exceptions import ConstantColumnWarning
from ..validation import name_columns, warn
from ._gaps import Gap
from ._ties import HeavyValue, find_ties

# Standard deviation of uniform noise of width one.
_UNIFORM_DEVIATION = 12**-0.5


def warn_constant(constant: np.ndarray, names: np.ndarray | None) -> None:
    """Name the constant columns, if any."""
    columns = np.flatnonzero(constant)
    if columns.size:
        warn(
            f"column(s) {name_columns(columns, names)} hold one value only; they are modelled as "
            "that value with uniform noise of width one in training.",
            ConstantColumnWarning,
        )


def column_noise(
    X: np.ndarray, constant: np.ndarray, dequantize: str | None
) -> tuple[np.ndarray, list[HeavyValue], list[Gap]]:
    """Width, in data units, of the uniform noise of each column, heavy values, and gaps.

    Values may be missing. Without noise, only heavy values far away are told. Constant columns have
    noise of width one, or as wide as what rounding makes of them.
    """
    widths, heavy, gaps = np.zeros(X.shape[1]), [], []
    for j in np.flatnonzero(~constant):
        spacing, standing, empty = find_ties(X[~np.isnan(X[:, j]), j], int(j))
        widths[j] = spacing if dequantize == "auto" else 0.0
        heavy += [value for value in standing if value.far or dequantize == "auto"]
        gaps += empty
    # Values that only rounding tells apart may differ by more than one.
    varying = np.fmax.reduce(X[:, constant]) - np.fmin.reduce(X[:, constant])
    widths[constant] = np.maximum(1.0, varying)
    return widths, heavy, gaps


def scale_with_noise(scale: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Standard deviation of each column once its noise is added."""
    return np.hypot(scale, _UNIFORM_DEVIATION * widths)


def without_far_values(U: np.ndarray, X: np.ndarray, heavy: list[HeavyValue]) -> np.ndarray:
    """Rows of U with values far away in X missing, so that they do not affect its scale."""
    far = [value for value in heavy if value.far]
    U = U.copy() if far else U
    for value in far:
        U[X[:, value.column] == value.value, value.column] = np.nan
    return U

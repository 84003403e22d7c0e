"""Kinds of columns: of tables, and of images as grey levels, ranges and whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..exceptions import InvalidDataError, InvalidParameterError
from ..validation import name_columns
from ._columns import Columns
from ._gaps import shorten
from ._moments import constant_columns, location_and_scale
from ._noise import column_noise, scale_with_noise, warn_constant, without_far_values
from ._ties import own_noise, warn_heavy

# The middle and width of 256 grey levels, of which the logit sees 0.05 to 0.95.
_GREY_LOCATION, _GREY_SCALE = 127.5, 256 / 0.9


@dataclass(frozen=True)
class StandardisedColumns(Columns):
    """Columns of tables: centred, divided by their standard deviations, ties spread out."""

    @classmethod
    def of(
        cls,
        X: np.ndarray,
        weight: np.ndarray | None,
        names: np.ndarray | None,
        *,
        dequantize: str | None,
        standardize: bool,
        warns_of_heavy_values: bool,
    ) -> StandardisedColumns:
        """Columns of training rows.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Rows; values may be missing.
        weight : ndarray of shape (n,) or None
            Weights of the rows.
        names : ndarray or None
            Names of the columns.
        dequantize : 'auto' or None
            Whether values that repeat get uniform noise.
        standardize : bool
            Whether columns are centred and scaled.
        warns_of_heavy_values : bool
            Whether to name values that many rows share though they belong to no lattice.

        Returns
        -------
        StandardisedColumns
            The columns.
        """
        constant = constant_columns(X)
        warn_constant(constant, names)
        widths, heavy, gaps = column_noise(X, constant, dequantize)
        if warns_of_heavy_values:
            warn_heavy(heavy, len(X), names)
        gaps = gaps if standardize else []
        described = without_far_values(shorten(X, gaps), X, heavy)
        location, scale = location_and_scale(described, weight, names)
        if standardize:
            scale = scale_with_noise(scale, widths)
        else:
            location, scale = np.zeros_like(location), np.ones_like(scale)
        return cls(location, scale, widths, own_noise(heavy) if dequantize else [], gaps)

    def as_counts(self, X: np.ndarray) -> StandardisedColumns:
        """The same columns, whose draws are counts where all of X are."""
        counts = ((np.rint(X) == X) & (X >= 0)).all()
        return replace(self, whole_bounds=(0, np.inf)) if counts else self


@dataclass(frozen=True)
class GreyLevels(Columns):
    """Pixels of 8 bits, scaled into the domain of a logit."""

    bounded = True
    grey = True

    @classmethod
    def of(cls, d: int, dequantize: str | None) -> GreyLevels:
        """Columns of images of d values."""
        widths = np.ones(d) if dequantize == "auto" else np.zeros(d)
        location, scale = np.full(d, _GREY_LOCATION), np.full(d, _GREY_SCALE)
        return cls(location, scale, widths, whole_bounds=(0, 255))

    def validate(self, X, names, noise):
        """Refuse normal noise, as the logit has no room for it.

        Raises
        ------
        InvalidParameterError
            If there is any.
        """
        if noise:
            raise InvalidParameterError(
                f"noise={noise!r} would push grey levels out of the range of the logit: set "
                "noise=None, uint8 images get uniform noise of their spacing anyway, or give the "
                "images as floats."
            )


@dataclass(frozen=True)
class UnitRange(Columns):
    """Pixels of any numbers, scaled to [0, 1] by one range for all."""

    @classmethod
    def of(cls, X: np.ndarray, dequantize: str | None, grey: bool) -> UnitRange:
        """Columns of images.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Images as rows.
        dequantize : 'auto' or None
            Whether values that repeat get uniform noise.
        grey : bool
            Whether the images are of 8 bits.

        Returns
        -------
        UnitRange
            The columns.

        Raises
        ------
        InvalidDataError
            If the range overflows.
        """
        low, width = X.min(), X.max() / 2 - X.min() / 2
        if not np.isfinite(2 * width):
            raise InvalidDataError(
                "the values of X are too far apart: their range overflows float64. Rescale the "
                "images."
            )
        width, d = 2 * width or 1.0, X.shape[1]
        widths, heavy, _ = column_noise(X, np.zeros(d, dtype=bool), dequantize)
        # Pixels that never change have the spacing of the others.
        spread = widths > 0
        if spread.any():
            widths[~spread] = np.median(widths[spread])
            heavy = []
        return cls(
            np.full(d, low),
            np.full(d, width),
            widths,
            own_noise(heavy) if dequantize else [],
            whole_bounds=(0, 255) if grey else None,
        )


@dataclass(frozen=True)
class WholeNumbers(Columns):
    """Whole numbers from 0 to a highest, for likelihoods that give each a probability."""

    likelihood: str = ""

    continuous = False

    @classmethod
    def of(cls, d: int, highest: int, likelihood: str) -> WholeNumbers:
        """Columns of d values from 0 to `highest`, of the likelihood of that name."""
        return cls(
            np.zeros(d),
            np.full(d, float(highest)),
            np.zeros(d),
            whole_bounds=(0, highest),
            likelihood=likelihood,
        )

    def validate(self, X, names, noise):
        """Refuse other values, and noise that would make others.

        Raises
        ------
        InvalidDataError
            If a column holds other numbers.
        InvalidParameterError
            If there is noise.
        """
        highest = self.whole_bounds[1]
        wrong = np.flatnonzero(((np.round(X) != X) | (X < 0) | (highest < X)).any(0))
        if wrong.size:
            raise InvalidDataError(
                f"likelihood={self.likelihood!r} is for whole numbers from 0 to {highest}, but "
                f"column(s) {name_columns(wrong, names)} hold others. Give such values, or set "
                "likelihood='normal'."
            )
        if noise:
            raise InvalidParameterError(
                f"noise={noise!r} would leave values that likelihood={self.likelihood!r} does not "
                "have: set noise=None, or likelihood='normal'."
            )


@dataclass(frozen=True)
class Counts(Columns):
    """Counts of words, which a module takes as they are."""

    continuous = False

    @classmethod
    def of(cls, d: int) -> Counts:
        """Columns of d words."""
        return cls(np.zeros(d), np.ones(d), np.zeros(d), whole_bounds=(0, np.inf))

    def validate(self, X, names, noise):
        """Refuse noise, which would leave no counts.

        Raises
        ------
        InvalidParameterError
            If there is any.
        """
        if noise:
            raise InvalidParameterError(
                f"noise={noise!r} would leave no counts of documents='counts': set noise=None."
            )

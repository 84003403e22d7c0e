"""What is learned about columns before any training, and the way from X to a module and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..training import Noise
from ._gaps import Gap, lengthen, log_lengths, shorten


@dataclass(frozen=True)
class Columns:
    """Location, scale, noise, domain and volume of the columns of a density.

    A module sees standardised rows ``Z = (X - location) / scale``, with long gaps shortened first.
    Subclasses say where the numbers come from.

    Parameters
    ----------
    location, scale : ndarray of shape (n_features,)
        What columns are centred by and divided by.
    dequantization : ndarray of shape (n_features,)
        Width, in units of X, of the uniform noise of each column in training; 0 for none.
    heavy_values : sequence of tuple (column, value, width), default=()
        Values that get uniform noise of their own in training, and its width in units of X.
    gaps : sequence of Gap, default=()
        Empty stretches of columns that are shortened.
    whole_bounds : tuple of (float, float) or None, default=None
        Lowest and highest of the whole numbers that draws are rounded to; None for real numbers.
    """

    location: np.ndarray
    scale: np.ndarray
    dequantization: np.ndarray
    heavy_values: Sequence[tuple[int, float, float]] = ()
    gaps: Sequence[Gap] = ()
    whole_bounds: tuple[float, float] | None = None

    # Whether the module gives densities of real numbers, or probabilities of whole ones.
    continuous = True
    # Whether later rows may lie where the module has no density.
    bounded = False
    # Whether these are grey levels, which a logit makes real numbers of.
    grey = False

    def validate(self, X: np.ndarray, names: np.ndarray | None, noise) -> None:
        """Refuse rows and noise that these columns cannot hold; here anything goes.

        Parameters
        ----------
        X : ndarray of shape (n, n_features)
            Training rows.
        names : ndarray or None
            Names of the columns.
        noise : 'scott', float or None
            Parameter of the estimator.
        """

    def standardise(self, X: np.ndarray) -> np.ndarray:
        """Rows as the module sees them, float64, of the shape of X."""
        Z = shorten(X.astype(np.float64), self.gaps)
        # In place, as tables may fill half the memory.
        with np.errstate(over="ignore"):
            Z -= self.location
            Z /= self.scale
        return Z

    def unstandardise(self, Z: np.ndarray) -> np.ndarray:
        """Inverse of `standardise`, along the last axis."""
        return lengthen(Z * self.scale + self.location, self.gaps)

    def log_volumes(self, Z: np.ndarray) -> np.ndarray:
        """Log of the length in X of a unit of each standardised column: minus the log slopes.

        Parameters
        ----------
        Z : ndarray of shape (n, n_features)
            Standardised rows.

        Returns
        -------
        ndarray of shape (n_features,) or (n, n_features)
            Nats; one row for all rows where there are no gaps.
        """
        log_scale = np.log(self.scale)
        if not self.gaps:
            return log_scale
        return log_scale + log_lengths(Z * self.scale + self.location, self.gaps)

    def in_units(self, log_density: np.ndarray, Z: np.ndarray) -> np.ndarray:
        """Log densities in the units of X, from those of standardised rows; shape (n,).

        This is where the Jacobian of the standardisation is counted, and where rows so far away
        that their squares overflow get a log density of ``-inf`` instead of NaN.
        """
        log_density = np.where(np.isnan(log_density), -np.inf, log_density)
        return log_density - self.log_volumes(Z).sum(-1)

    def to_domain(self, X: np.ndarray) -> np.ndarray:
        """Draws as values of the kind that was fitted: whole numbers where there are bounds."""
        return X if self.whole_bounds is None else whole(X, *self.whole_bounds)

    def spread_ties(self, Z: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
        """Standardised rows with one draw of the uniform noise of their columns."""
        widths = self.dequantization / self.scale
        heavy = self._standardised_heavy_values()
        if heavy:
            widths = np.tile(widths, (len(Z), 1))
            for j, value, width in heavy:
                widths[Z[:, j] == value, j] = width
        return Z + widths * random_state.uniform(-0.5, 0.5, Z.shape) if widths.any() else Z

    def training_noise(self, normal: float, dtype: torch.dtype, device: torch.device) -> Noise:
        """What training adds to standardised rows in each epoch.

        Parameters
        ----------
        normal : float
            Standard deviation of normal noise on all columns.
        dtype, device
            Of the rows.

        Returns
        -------
        Noise
            The noise.
        """
        widths = self.dequantization / self.scale
        heavy = [
            (j, *torch.tensor([value, width], dtype=dtype, device=device))
            for j, value, width in self._standardised_heavy_values()
        ]
        uniform = None
        if widths.any() or heavy:
            uniform = torch.as_tensor(widths, dtype=dtype, device=device)
        return Noise(normal, uniform, heavy)

    def _standardised_heavy_values(self):
        """Column, value and width of the noise of each value with noise of its own."""
        if not self.heavy_values:
            return []
        columns, values, widths = map(list, zip(*self.heavy_values, strict=True))
        rows = np.full((len(columns), len(self.scale)), np.nan)
        rows[np.arange(len(columns)), columns] = values
        # Through the very operations that rows go through, so that equal values stay equal.
        Z = self.standardise(rows)
        return [
            (j, Z[i, j], width / self.scale[j])
            for i, (j, width) in enumerate(zip(columns, widths, strict=True))
        ]


def whole(X: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """The whole numbers within bounds that values are rounded to."""
    # Adding zero turns -0 into 0.
    return np.rint(X).clip(lowest, highest) + 0.0

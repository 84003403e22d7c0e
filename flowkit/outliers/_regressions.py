"""Linear regressions of columns of numbers on each other, or on those of them that are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..columns import moments

# Least share of a column's variance that the other columns do not explain.
_OWN_VARIANCE = 1e-4
# With fewer complete rows for each column, the others are completed.
_LEAST_ROWS = 10
# Interquartile range of a normal column in standard deviations.
_NORMAL_IQR = 1.349


@dataclass(frozen=True)
class Regressions:
    """What regressions of columns on each other need.

    Parameters
    ----------
    location : ndarray of shape (n_features,)
        Mean of each column.
    scale : ndarray of shape (n_features,)
        Standard deviation of each column, 0 where it is constant.
    spread : ndarray of shape (n_features,)
        The same, but at most that by the quartiles, which a few values far off do not move.
    correlation : ndarray of shape (n_features, n_features)
        Correlation of the columns, regularised.
    """

    location: np.ndarray
    scale: np.ndarray
    spread: np.ndarray
    correlation: np.ndarray

    @classmethod
    def of(cls, X) -> Regressions:
        """Learn from rows, an array in which some values may be missing."""
        d = X.shape[1]
        location, scale, spread, correlation = np.zeros(d), np.zeros(d), np.zeros(d), np.eye(d)
        rows = _completed(X)
        if not rows.size:
            return cls(location, scale, spread, correlation)
        location, deviation, constant = moments(rows)
        varying = np.flatnonzero(~constant & np.isfinite(deviation))
        if varying.size:
            scale[varying] = deviation[varying]
            scaled = (rows[:, varying] - location[varying]) / scale[varying]
            correlation[np.ix_(varying, varying)] = np.corrcoef(scaled, rowvar=False)
            spread[varying] = np.minimum(scale[varying], spread_of_columns(rows[:, varying]))
        return cls(location, scale, spread, correlation + _OWN_VARIANCE * np.eye(d))

    def on(self, known) -> tuple[np.ndarray, np.ndarray]:
        """Regressions of columns on all others that are known.

        Parameters
        ----------
        known : ndarray of bool of shape (n_features,)
            Which columns are known.

        Returns
        -------
        coefficients : ndarray of shape (n_features, n_features)
            A row for each column; 0 for columns that are not known, and for itself.
        residual : ndarray of shape (n_features,)
            Standard deviation of the residual of each column, 0 where it is not known.
        """
        d = len(self.location)
        coefficients, residual = np.zeros((d, d)), np.zeros(d)
        used = np.flatnonzero(known & (self.scale > 0))
        if used.size:
            precision = np.linalg.inv(self.correlation[np.ix_(used, used)])
            own, scale = np.diag(precision), self.scale[used]
            slopes = -precision / own[:, None]
            np.fill_diagonal(slopes, 0.0)
            # A slope on a column of denormal numbers may be none itself.
            with np.errstate(over="ignore"):
                steep = slopes * scale[:, None] / scale
            coefficients[np.ix_(used, used)] = np.nan_to_num(steep)
            residual[used] = self.spread[used] / np.sqrt(own)
        return coefficients, residual


def spread_of_columns(X) -> np.ndarray:
    """Standard deviation of columns by their quartiles; infinite where these are the same."""
    low, high = np.quantile(X, [0.25, 0.75], axis=0)
    return np.where(high > low, (high - low) / _NORMAL_IQR, np.inf)


def _completed(X):
    """Complete rows; where they are few, all rows, with values of others for those missing."""
    finite = np.isfinite(X)
    complete = X[finite.all(1)]
    if len(complete) == len(X) or len(complete) >= _LEAST_ROWS * X.shape[1]:
        return complete
    rng, filled = np.random.RandomState(0), np.where(finite, X, 0.0)
    for values, present in zip(filled.T, finite.T, strict=True):
        if present.any():
            # The means would take spread from the column.
            values[~present] = rng.choice(values[present], size=(~present).sum())
    return filled

"""How a wrapper that encodes rows reads them, so that topics are told in its names and units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..topics import Documents, table_documents

# Ways there and back round numbers, and equal ones shall stay equal, zeros among them.
_DIGITS = 12


@dataclass(frozen=True)
class RowReading:
    """Rows as a wrapper around a density reads them.

    Parameters
    ----------
    decode : callable
        Gives rows (n, d) of the density in the units of the wrapper, levels by their position.
    names : list or None
        Names of the columns of the wrapper, where they have some.
    levels : dict of int to list of str
        Of its categorical columns, what the levels are called.
    in_order : bool
        Whether each of its columns is a column of the density, in its place.
    """

    decode: Callable
    names: list | None
    levels: dict
    in_order: bool = True

    def rows(self, Z: np.ndarray) -> np.ndarray:
        """Rows in the units of the wrapper, rounded to 12 digits."""
        X = np.asarray(self.decode(Z), dtype=np.float64)
        size = np.floor(np.log10(np.maximum(np.abs(X), np.finfo(np.float64).tiny)))
        with np.errstate(over="ignore", invalid="ignore"):
            factor = 10.0 ** np.clip(_DIGITS - 1 - size, -300, 300)
            rounded = np.round(X * factor) / factor
        least = 10.0**-_DIGITS * np.abs(X).max(0, initial=0)
        rounded = np.where(np.abs(X) <= least, 0.0, rounded)
        return np.where(np.isfinite(rounded), rounded, X)

    def documents(self, Z: np.ndarray) -> Documents:
        """Rows as documents, a level or a bin of values a word."""
        return table_documents(self.rows(Z), self.names, levels=self.levels)

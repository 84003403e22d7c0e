"""The way back through a fitted transformer, and whether it keeps columns apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._jacobians import inverse_rows


@dataclass(frozen=True)
class WayBack:
    """Rows of transformed ones.

    Parameters
    ----------
    transformer : transformer
        Fitted.
    decode : callable or None, default=None
        The way back through what is around the transformer.
    """

    transformer: Any
    decode: Callable | None = None

    def __call__(self, Z: np.ndarray) -> np.ndarray:
        """Rows that are mapped to Z."""
        X = inverse_rows(self.transformer, Z)
        return X if self.decode is None else self.decode(X)


def keeps_columns(transformer, d: int) -> bool:
    """Whether each of d columns is mapped to one in its place, as the names of the output say.

    Parameters
    ----------
    transformer : transformer
        Fitted.
    d : int
        Number of columns.
    """
    names = getattr(transformer, "feature_names_in_", [f"x{j}" for j in range(d)])
    try:
        return list(transformer.get_feature_names_out(names)) == list(names)
    except (AttributeError, ValueError):
        return False

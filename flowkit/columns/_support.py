"""Training rows outside the support of a density."""

from __future__ import annotations

import numpy as np

from ..exceptions import OutsideSupportError


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

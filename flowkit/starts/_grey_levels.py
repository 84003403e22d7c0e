"""Grey levels of 8 bits behind a logit, as flows of images begin with them."""

from __future__ import annotations

import numpy as np
import torch

from ..bijections import ActNorm, Compose, Logit


def grey_levels(d: int) -> Compose:
    """Logit of standardised grey levels, and a scale and shift of it.

    Parameters
    ----------
    d : int
        Number of values of an image.

    Returns
    -------
    Compose
        The maps, not initialised.
    """
    return Compose([Logit(d, shift=-0.5), ActNorm(d)])


@torch.no_grad()
def started_grey_levels(Z: np.ndarray) -> tuple[Compose, np.ndarray]:
    """`grey_levels` initialised from rows, and these rows behind it.

    Parameters
    ----------
    Z : ndarray of shape (n, d)
        Standardised rows with their noise.

    Returns
    -------
    pixels : Compose
        The maps.
    rows : ndarray of shape (n, d)
        What they make of Z.
    """
    pixels = grey_levels(Z.shape[1])
    logit, scale = pixels.bijections
    logits, _ = logit(torch.from_numpy(Z))
    scale.start(logits)
    return pixels, scale(logits)[0].numpy()

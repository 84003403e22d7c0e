"""Images as rows."""

from __future__ import annotations

import math

import numpy as np

from .._image_shape import check_image_shape
from ..exceptions import InvalidDataError
from ._as_array import typed_errors


def image_rows(X, image_shape: tuple[int, ...] | None):
    """Images as rows.

    Parameters
    ----------
    X : array-like of shape (n, height, width[, channels]) or (n, n_features)
        Images, or rows already.
    image_shape : tuple of int or None
        Their shape, None for rows that are no images.

    Returns
    -------
    X : array-like of shape (n, n_features)
        Rows.

    Raises
    ------
    InvalidDataError
        If images are of another shape, or were not expected.
    """
    given = getattr(X, "shape", ())
    if image_shape is None:
        if len(given) > 2:
            raise InvalidDataError(
                f"X has shape {tuple(given)}, but image_shape is None: set "
                f"image_shape={tuple(given[1:])}, or give rows of shape (n, n_features)."
            )
        return X
    shape = check_image_shape(image_shape)
    with typed_errors():
        values = np.asarray(X)
    if values.ndim > 2:
        if (*values.shape[1:], 1)[:3] != shape or values.ndim > 4:
            raise InvalidDataError(
                f"expected images of shape (n, {', '.join(map(str, image_shape))}), got "
                f"{values.shape}."
            )
        return values.reshape(len(values), math.prod(values.shape[1:]))
    return X


def check_image_size(n_features: int, image_shape: tuple[int, ...]) -> None:
    """Refuse rows of another number of values than images of that shape have.

    Raises
    ------
    InvalidDataError
        If the numbers differ.
    """
    size = math.prod(check_image_shape(image_shape))
    if n_features != size:
        raise InvalidDataError(
            f"expected rows of {size} values, as image_shape={tuple(image_shape)} says, got "
            f"{n_features}."
        )


def holds_grey_levels(X) -> bool:
    """Whether images are of 8 bits."""
    with typed_errors():
        return getattr(X, "dtype", None) == np.uint8 or np.asarray(X).dtype == np.uint8

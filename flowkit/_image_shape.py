"""Shapes of images, with or without channels."""

from __future__ import annotations

from numbers import Integral

from .exceptions import InvalidParameterError


def check_image_shape(image_shape) -> tuple[int, int, int]:
    """Height, width and number of channels of an image shape with or without the latter."""
    shape = tuple(image_shape)
    if len(shape) not in (2, 3) or any(not isinstance(n, Integral) or n < 1 for n in shape):
        raise InvalidParameterError(
            f"image_shape must be (height, width) or (height, width, channels) of positive ints, "
            f"got {image_shape!r}."
        )
    height, width, channels = (*map(int, shape), 1)[:3]
    return height, width, channels

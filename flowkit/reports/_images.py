"""Rows that are images, as one picture of several beside each other."""

from __future__ import annotations

import base64
import struct
import zlib
from html import escape

import numpy as np

from ..nested import find

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOURS = 0, 2
# Pixels of a row of images on the page, and free ones between these.
_WIDTH, _GAP = 640, 1


def image_shape_of(estimator) -> tuple[int, ...] | None:
    """Height, width and number of channels of the rows of an estimator, None if they are no images.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    """
    inside = find(estimator, "image_shape")
    shape = getattr(inside.estimator, "image_shape", None)
    if shape is None or inside.barrier is not None or inside.transformers:
        return None
    channels = shape[2:] if len(shape) > 2 and shape[2] in (1, 3) else ()
    return None if len(shape) > 2 and not channels else (*shape[:2], *channels)


def strip(rows: np.ndarray, shape: tuple[int, ...], limits: tuple[float, float], label: str) -> str:
    """Images beside each other, as an element of a page.

    Parameters
    ----------
    rows : ndarray of shape (n_images, n_pixels)
        The images.
    shape : tuple of int
        Height, width and, of images in colour, number of channels.
    limits : tuple of float
        Values that are black and white.
    label : str
        What they are, for those who do not see them.
    """
    height, width, n_channels = (*shape, 1)[:3]
    low, high = limits
    images = np.reshape(rows, (-1, height, width, n_channels)).astype(float)
    levels = np.clip((images - low) / ((high - low) or 1.0), 0, 1) * 255
    levels = np.rint(np.nan_to_num(levels)).astype(np.uint8)
    gap = np.full((height, _GAP, n_channels), 128, dtype=np.uint8)
    parts = [part for image in levels for part in (image, gap)][:-1]
    data = base64.b64encode(_png(np.concatenate(parts, axis=1))).decode()
    return (
        f'<img class="strip" alt="{escape(label, quote=True)}" width="{_WIDTH}" '
        f'src="data:image/png;base64,{data}">'
    )


def _png(pixels) -> bytes:
    """A picture of bytes, of shape (height, width, 1 or 3), in PNG."""
    height, width, n_channels = pixels.shape
    kind = _GREY if n_channels == 1 else _COLOURS
    lines = np.hstack([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)])
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )

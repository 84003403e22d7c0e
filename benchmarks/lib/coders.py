"""Lossless coders of 8-bit images by name, and the bits per dimension of what they write."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .clocks import Stopwatch

Coder = tuple[Callable[[np.ndarray], bytes], Callable[[bytes], np.ndarray]]


def _pillow(format: str, **options: Any) -> Coder:
    def encode(image: np.ndarray) -> bytes:
        from PIL import Image

        file = io.BytesIO()
        # A rotation of colours that can be undone; there is none of grey levels.
        colour = {"mct": int(image.ndim == 3)} if format == "JPEG2000" else {}
        Image.fromarray(image).save(file, format, **options, **colour)
        return file.getvalue()

    return encode, _opened


def _opened(written: bytes) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(written)))


def _encode_jpeg_xl(image: np.ndarray) -> bytes:
    import imagecodecs

    return imagecodecs.jpegxl_encode(image, lossless=True, effort=9, numthreads=1)


def _decode_jpeg_xl(written: bytes) -> np.ndarray:
    import imagecodecs

    return imagecodecs.jpegxl_decode(written, numthreads=1)


# Each at its greatest effort; JPEG 2000 without the boxes of its file around the codestream.
CODERS: dict[str, Coder] = {
    "PNG": _pillow("PNG", optimize=True),
    "WebP": _pillow("WEBP", lossless=True, quality=100, method=6, exact=True),
    "JPEG 2000": _pillow("JPEG2000", irreversible=False, no_jp2=True),
    "JPEG XL": (_encode_jpeg_xl, _decode_jpeg_xl),
}


def tiled(images: np.ndarray) -> np.ndarray:
    """One picture of all images, in as many rows and columns as make it closest to a square."""
    n, height = images.shape[:2]
    n_rows = next(k for k in range(math.isqrt(n), 0, -1) if n % k == 0)
    grid = images.reshape(n_rows, n // n_rows, *images.shape[1:]).swapaxes(1, 2)
    return np.ascontiguousarray(grid).reshape(n_rows * height, -1, *images.shape[3:])


def _with_channels(image: np.ndarray) -> np.ndarray:
    return image.reshape(*image.shape[:2], -1)


def measure_coder(name: str, images: np.ndarray) -> dict:
    """Bits per dimension: of a file each, of these less that of a black image, and of one picture.

    Parameters
    ----------
    name : str
        One of `CODERS`.
    images : ndarray of uint8 of shape (n, height, width) or (n, height, width, 3)
        What is written.

    Returns
    -------
    dict
        ``files``; ``bits_per_dim``, less what a black image of that size takes, which is hardly
        more than the header; ``picture``, of all images tiled into one; and both clocks.

    Raises
    ------
    RuntimeError
        If an image does not come back as it was.
    """
    encode, decode = CODERS[name]
    picture = tiled(images)
    with Stopwatch() as watch:
        written = [encode(image) for image in images]
        whole = encode(picture)
    for code, image in zip([*written, whole], [*images, picture], strict=True):
        # Some give grey levels back as three equal channels.
        if not (_with_channels(decode(code)) == _with_channels(image)).all():
            raise RuntimeError(f"{name} did not give back the image that it was given")
    n_bytes, n_values = sum(map(len, written)), images.size
    header = len(encode(np.zeros_like(images[0])))
    return {
        "n_test": len(images),
        "bits_per_dim": 8 * (n_bytes - header * len(images)) / n_values,
        "files": 8 * n_bytes / n_values,
        "picture": 8 * len(whole) / n_values,
        "header_bytes": header,
        **watch.seconds("coding"),
    }

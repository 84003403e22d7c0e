"""Images whose factors act on two scales: one for the whole image, others for each ellipse."""

from __future__ import annotations

import numbers

import numpy as np
from sklearn.utils import Bunch

from .._optional import require
from .._seeds import check_random_state
from ..exceptions import InvalidParameterError

_CELLS = 4
_TILE = 8
_EDGE = _CELLS * _TILE
_ELLIPSE = (1, 3, 7, 5)
_BLACK, _OPAQUE = 0, 255
# Most that an ellipse departs from its cell, in pixels, and from the image's colour or angle.
_JITTER = 1
_COLOUR_SPREAD = 32
_ANGLE_SPREAD = 45.0
_COLOURS = ("red", "green", "blue")

_DESCR = """\
MSDS{kind}: {n} RGB images of 32 x 32 pixels with 4 x 4 ellipses on black.

{factors}
Each ellipse is moved by at most one pixel along each axis. Arrays: images (n, 32, 32, 3) and data
(n, 3072), the same bytes; target, the factors of the whole image; ellipses (n, 4, 4, 6), those of
each ellipse. Made by the recipe of Hu et al., RG-Flow, Machine Learning: Science and Technology 3
(2022) 035009, arXiv 2010.00029.
"""
_FACTORS = {
    1: """\
The image has a colour, each channel uniform on the whole numbers 32 to 223. An ellipse adds a
whole number of -32 to 32 to each channel, and has an angle of its own, uniform on 0 to 180 degrees.
""",
    2: """\
The image has an angle, uniform on 0 to 180 degrees. An ellipse adds 0 to 45 degrees, and has a
colour of its own, each channel uniform on the whole numbers 0 to 255.
""",
}


def make_msds(kind: int = 1, n_samples: int = 1000, *, random_state=None) -> Bunch:
    """Draw images of a multi-scale data set, MSDS1 or MSDS2, with all their factors.

    An image holds 4 x 4 small ellipses on black. One factor is shared by the whole image, up to
    noise, and the other is drawn for each ellipse: a model that takes scales apart should find the
    first at its coarsest level and the second at its finest.

    ==== ==================================== =====================================================
    kind whole image                          each ellipse
    ==== ==================================== =====================================================
    1    channels in {32, ..., 223}           channels plus {-32, ..., 32}; angle in [0, 180)
    2    angle in [0, 180)                    angle plus [0, 45); channels in {0, ..., 255}
    ==== ==================================== =====================================================

    All draws are uniform and independent.

    Parameters
    ----------
    kind : {1, 2}, default=1
        1 for images that share a colour (MSDS1), 2 for images that share an angle (MSDS2).
    n_samples : int, default=1000
        Number of images.
    random_state : int, RandomState instance, Generator or None, default=None
        Source of randomness; an int for the same images each time. More samples of one seed are
        other images, not the same and some more.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With these attributes.

        images : ndarray of shape (n_samples, 32, 32, 3), uint8
            The images: rows from the top, columns, and the channels red, green, blue.
        data : ndarray of shape (n_samples, 3072), uint8
            The images, flattened; a view.
        target : ndarray of shape (n_samples, n_factors), float64
            The factors of the whole image: red, green and blue for kind 1, the angle for kind 2.
        target_names : list of str
            Names of the columns of `target`.
        ellipses : ndarray of shape (n_samples, 4, 4, 6), float64
            The factors of each ellipse. ``ellipses[n, i, j]`` is the one in column i from the left
            and row j from the top of image n, so the image comes first and x before y.
        ellipse_names : list of str
            Names of the last axis of `ellipses`. "x" and "y" are the column and row, in pixels, of
            the upper left corner of the ellipse's tile of 8 x 8 pixels, ``8 * i`` and ``8 * j``
            plus -1, 0 or 1. "angle" is in degrees, counter-clockwise as the picture is seen, from
            an ellipse that lies flat. "red", "green" and "blue" are 0 to 255.
        DESCR : str
            What the images are.

    Raises
    ------
    InvalidParameterError
        If `kind` is neither 1 nor 2, or `n_samples` is less than 1.
    MissingDependencyError
        If Pillow is not installed.

    Notes
    -----
    Half a turn leaves an ellipse as it was, so an angle counts modulo 180, in `target` too: compare
    or predict the sine and cosine of twice the angle. Angles of ellipses of kind 2 go up to 225.

    The recipe is that of the code of [1]_: an opaque ellipse in the box (1, 3) to (7, 5) of a
    transparent tile is rotated with Pillow's bicubic filter and pasted with its own transparency,
    column by column, so that of two neighbours that touch the right or lower one lies on top. Some
    pixels are brighter than the label, by up to a quarter, as the filter overshoots. Tiles turn
    about their own centres, half a pixel above and left of the centres of the ellipses.

    The sets of the paper have 90,000 images to train on and 10,000 to test on, drawn without a
    seed: these are of the same distribution, not the same images.

    References
    ----------
    .. [1] H.-Y. Hu, D. Wu, Y.-Z. You, B. Olshausen, Y. Chen, "RG-Flow: a hierarchical and
       explainable flow model based on renormalization group and sparse prior", Machine Learning:
       Science and Technology 3 (2022) 035009, arXiv 2010.00029.

    Examples
    --------
    >>> from flowkit.datasets import make_msds
    >>> msds = make_msds(kind=1, n_samples=5, random_state=0)
    >>> msds.images.shape, msds.data.shape, msds.target.shape, msds.ellipses.shape
    ((5, 32, 32, 3), (5, 3072), (5, 3), (5, 4, 4, 6))
    >>> msds.target_names
    ['red', 'green', 'blue']
    >>> residual = msds.ellipses[..., 3:] - msds.target[:, None, None, :]
    >>> bool(abs(residual).max() <= 32)
    True
    """
    # Membership alone would trip over an array.
    if not isinstance(kind, numbers.Integral) or kind not in _FACTORS:
        raise InvalidParameterError(
            f"kind must be 1 (a colour for the whole image) or 2 (an angle), got {kind!r}."
        )
    if not isinstance(n_samples, numbers.Integral) or n_samples < 1:
        raise InvalidParameterError(
            f"n_samples must be a whole number of at least 1, got {n_samples!r}."
        )
    pillow = _load_pillow()
    rng = check_random_state(random_state)
    draw, names = (_shared_colour, _COLOURS) if kind == 1 else (_shared_angle, ("angle",))
    target, angles, colours = draw(n_samples, rng)
    ellipses = np.concatenate([_corners(n_samples, rng), angles[..., None], colours], axis=-1)
    images = _paint(ellipses, *pillow)
    return Bunch(
        images=images,
        data=images.reshape(n_samples, -1),
        target=target,
        target_names=list(names),
        ellipses=ellipses,
        ellipse_names=["x", "y", "angle", *_COLOURS],
        DESCR=_DESCR.format(kind=int(kind), n=n_samples, factors=_FACTORS[kind]),
    )


def _load_pillow():
    return tuple(require(f"PIL.{name}", "make_msds") for name in ("Image", "ImageDraw"))


def _shared_colour(n: int, rng: np.random.RandomState):
    """Factors of the images, and the angles and colours of their ellipses, for kind 1."""
    shape = (n, _CELLS, _CELLS)
    target = rng.randint(_COLOUR_SPREAD, 256 - _COLOUR_SPREAD, (n, 3))
    noise = rng.randint(-_COLOUR_SPREAD, _COLOUR_SPREAD + 1, (*shape, 3))
    angles = rng.uniform(0, 180, shape)
    return target.astype(np.float64), angles, target[:, None, None] + noise


def _shared_angle(n: int, rng: np.random.RandomState):
    """Factors of the images, and the angles and colours of their ellipses, for kind 2."""
    shape = (n, _CELLS, _CELLS)
    target = rng.uniform(0, 180, (n, 1))
    angles = target[:, None] + rng.uniform(0, _ANGLE_SPREAD, shape)
    return target, angles, rng.randint(0, 256, (*shape, 3))


def _corners(n: int, rng: np.random.RandomState) -> np.ndarray:
    """Upper left corner of each tile, (n, 4, 4, 2), x before y."""
    jitter = rng.randint(-_JITTER, _JITTER + 1, (n, _CELLS, _CELLS, 2))
    return jitter + _TILE * np.stack(np.indices((_CELLS, _CELLS)), axis=-1)


def _paint(ellipses: np.ndarray, Image, ImageDraw) -> np.ndarray:
    stencil = Image.new("L", (_TILE, _TILE), _BLACK)
    ImageDraw.Draw(stencil).ellipse(_ELLIPSE, fill=_OPAQUE)
    images = np.empty((len(ellipses), _EDGE, _EDGE, 3), dtype=np.uint8)
    for image, factors in zip(images, ellipses.reshape(len(ellipses), -1, 6), strict=True):
        canvas = Image.new("RGB", (_EDGE, _EDGE), _BLACK)
        for x, y, angle, *colour in factors.tolist():
            # Pillow weighs colours by opacity as it rotates: what colour is behind is the same.
            tile = Image.new("RGBA", (_TILE, _TILE), tuple(map(int, colour)))
            tile.putalpha(stencil)
            tile = tile.rotate(angle, resample=Image.Resampling.BICUBIC)
            canvas.paste(tile, (int(x), int(y)), mask=tile)
        image[:] = canvas
    return images

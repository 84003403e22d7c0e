"""Rows drawn as pictures, images as images and chains as lines, one by one or as a grid."""

from __future__ import annotations

import math

import numpy as np

from .._image_shape import check_image_shape
from ..exceptions import InvalidDataError, InvalidParameterError
from ..nested import Unwrapped
from ._axes import figure_with_margins
from ._display import Display

# Height of the picture of a chain, in its lengths.
CHAIN_HEIGHT = 0.5
_LINE_STYLE = {"color": "0.2", "linewidth": 1}
# Free pixels between the pictures of a grid, and beside the given rows, in widths of a picture.
_SPACE, _WIDE_SPACE = 0.06, 0.25
# Inches: width of an image and of a chain in a new figure, and of the widest grid.
_IMAGE_WIDTH, _CHAIN_WIDTH, _MAX_WIDTH = 0.85, 1.3, 9.5


def rows_seen(inside: Unwrapped, X) -> np.ndarray:
    """Rows as the estimator inside sees them, float64 of shape (n_rows, n_features).

    Raises
    ------
    InvalidDataError
        If they do not fit the estimator.
    """
    X = np.asarray(inside.transform(X), dtype=np.float64)
    n_features = inside.estimator.n_features_in_
    if X.ndim < 2 or math.prod(X.shape[1:]) != n_features:
        raise InvalidDataError(
            f"expected rows of {n_features} features, as {type(inside.estimator).__name__} was "
            f"fitted on, got an array of shape {X.shape}."
        )
    return X.reshape(len(X), n_features)


def require_pixels(image_shape, n_features: int) -> tuple[int, int, int]:
    """Height, width and number of channels of rows that are images.

    Raises
    ------
    InvalidParameterError
        If that is no shape, or rows have another number of features.
    """
    shape = check_image_shape(image_shape)
    if math.prod(shape) != n_features:
        raise InvalidParameterError(
            f"image_shape={image_shape!r} is not that of rows of {n_features} features."
        )
    return shape


def as_pictures(rows: np.ndarray, image_shape) -> np.ndarray:
    """Rows of shape (..., n_features) as images, of three channels or none, or as chains."""
    if image_shape is None:
        return rows
    images = rows.reshape(*rows.shape[:-1], *image_shape[:2], -1)
    # Other numbers of channels are no colours.
    return images if images.shape[-1] == 3 else images.mean(-1)


def size_of(picture: np.ndarray) -> tuple[float, float]:
    """Width and height of a picture, in pixels."""
    if picture.ndim == 1:
        return float(len(picture)), CHAIN_HEIGHT * len(picture)
    return float(picture.shape[1]), float(picture.shape[0])


def draw_picture(panel, picture: np.ndarray, corner, limits, style: dict):
    """Draw a picture to the right of and below a corner, in pixels.

    Parameters
    ----------
    panel : matplotlib Axes
        Where to draw; y runs downwards.
    picture : ndarray of shape (height, width[, 3]) or (n_features,)
        What to draw.
    corner : tuple of float
        Its left end and its top.
    limits : tuple of float
        Values that are black and white, or the bottom and the top of a chain; others are clipped.
    style : dict
        Passed to `Axes.imshow`, or to `Axes.plot` for chains.

    Returns
    -------
    matplotlib AxesImage or Line2D
        What was drawn.
    """
    (left, top), (width, height), (low, high) = corner, size_of(picture), limits
    shares = np.clip((picture - low) / ((high - low) or 1), 0, 1)
    if picture.ndim == 1:
        x = left + np.arange(len(picture)) + 0.5
        return panel.plot(x, top + height * (1 - shares), **(_LINE_STYLE | style))[0]
    extent = (left, left + width, top + height, top)
    return panel.imshow(
        shares, extent=extent, **{"cmap": "gray", "vmin": 0, "vmax": 1, "aspect": "auto", **style}
    )


class PictureGridDisplay(Display):
    """A Display of pictures in rows and columns, the first row and maybe the first column apart."""

    def _draw_grid(self, ax, pictures, limits, style, *, margins, first_column_apart=False):
        """Draw pictures, and set `pictures_`, an array of what is drawn.

        Parameters
        ----------
        ax : matplotlib Axes or None
            What `plot` was given.
        pictures : list of list of ndarray or None
            The pictures, row by row; None leaves a cell free.
        limits, style
            As in `draw_picture`.
        margins : callable
            Returns the inches to the left, right, bottom and top of a new figure, by name.
        first_column_apart : bool, default=False
            Whether the first column has more space to the next one than others, as the first row
            has.

        Returns
        -------
        tops, height : ndarray of shape (n_rows,), float
            Upper end of each row of pictures, and the height of all.
        """
        a_picture = pictures[-1][-1]
        width, height = size_of(a_picture)
        lefts = width * (1 + _SPACE) * np.arange(len(pictures[0]))
        lefts[1:] += first_column_apart * width * (_WIDE_SPACE - _SPACE)
        tops = (height + width * _SPACE) * np.arange(len(pictures))
        tops[1:] += width * (_WIDE_SPACE - _SPACE)
        across, down = lefts[-1] + width, tops[-1] + height
        inches = _CHAIN_WIDTH if a_picture.ndim == 1 else _IMAGE_WIDTH
        scale = min(inches / width, _MAX_WIDTH / across)
        ax = self._use_axes(
            ax, lambda: figure_with_margins(across * scale, down * scale, **margins())
        )
        self.pictures_ = np.full((len(tops), len(lefts)), None)
        for i, j in np.ndindex(self.pictures_.shape):
            if pictures[i][j] is not None:
                corner = lefts[j], tops[i]
                self.pictures_[i, j] = draw_picture(ax, pictures[i][j], corner, limits, style)
        # Lines are as wide at the border as elsewhere.
        border = 0.01 * width
        ax.set(xlim=(-border, across + border), ylim=(down + border, -border))
        ax.set(aspect="equal", xticks=[], yticks=[])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return tops, height

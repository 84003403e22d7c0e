"""Rows drawn in places of one axes: images as images, chains as lines."""

from __future__ import annotations

import math

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..exceptions import InvalidDataError, InvalidParameterError
from ._log_det_tree import _steps_and_last, _through

# Height of the place of a chain, in its lengths.
CHAIN_HEIGHT = 0.5
_LINE_STYLE = {"color": "0.2", "linewidth": 1}
# What the methods of most displays of pictures work on.
_LEVELS = "RGFlowDensity has latents with a level and a place"


def require_method(estimator, method: str, only: str = _LEVELS):
    """The estimator inside searches and pipelines, and the steps before it.

    The error says what `only` which estimators have.

    Raises
    ------
    InvalidParameterError
        If it lacks the method.
    """
    check_is_fitted(estimator)
    steps, fitted = _steps_and_last(estimator)
    if not hasattr(fitted, method):
        raise InvalidParameterError(
            f"{type(fitted).__name__} has no method {method!r}: only {only}."
        )
    return steps, fitted


def rows_for(steps, fitted, X) -> np.ndarray:
    """Rows as the last step of a pipeline sees them, float64.

    Raises
    ------
    InvalidDataError
        If they do not fit the estimator.
    """
    X = np.asarray(_through(steps, X), dtype=np.float64)
    if X.ndim < 2 or math.prod(X.shape[1:]) != fitted.n_features_in_:
        raise InvalidDataError(
            f"expected rows of {fitted.n_features_in_} features, as "
            f"{type(fitted).__name__} was fitted on, got an array of shape {X.shape}."
        )
    return X.reshape(len(X), fitted.n_features_in_)


def as_pictures(rows: np.ndarray, image_shape) -> np.ndarray:
    """Rows of shape (..., n_features) as images, of three channels or none, or as chains."""
    if image_shape is None:
        return rows
    images = rows.reshape(*rows.shape[:-1], *image_shape[:2], -1)
    # Other numbers of channels are no colours.
    return images if images.shape[-1] == 3 else images.mean(-1)


def size_of(picture: np.ndarray) -> tuple[float, float]:
    """Width and height of the place of a picture, in pixels."""
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

"""Rows and what more and more orders of their latent make of them, as a grid of pictures."""

from __future__ import annotations

import math

import numpy as np

from .._image_shape import check_image_shape
from ..exceptions import InvalidParameterError
from ._axes import require_axes, text_width
from ._log_det_tree import _through
from ._pictures import as_pictures, draw_picture, require_method, rows_for, size_of

_LABEL_SIZE = 9
# Free pixels between pictures, and below the originals, in their widths.
_SPACE, _WIDE_SPACE = 0.06, 0.25
# Inches: width of an image and of a chain, largest grid, room around it.
_IMAGE_WIDTH, _CHAIN_WIDTH = 0.85, 1.3
_MAX_WIDTH = 9.5
_MARGIN = 0.1
_POINTS_PER_INCH = 72


class ReconstructionDisplay:
    """Rows, and their reconstructions from the first order of the latent, the first two, and so on.

    It is recommended to use `ReconstructionDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    The rows themselves stand along the top, and below each of them what the orders up to the one
    at the left make of it; orders above that stand at the mean of the prior. Grey levels, or the
    colours of three channels, run over the range of the rows; what reconstructions have beyond it
    is clipped. Other numbers of channels are averaged. Chains are drawn as lines over that range.

    Parameters
    ----------
    originals : ndarray of shape (n_samples, n_features)
        The rows.
    reconstructions : ndarray of shape (degree, n_samples, n_features)
        What the first order makes of them, the first two, and so on to all orders.
    image_shape : tuple of int, default=None
        ``(height, width)`` or ``(height, width, n_channels)``; None for chains.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the grid.
    figure_ : matplotlib Figure
        Figure of these axes.
    pictures_ : ndarray of matplotlib `AxesImage` or `Line2D` of shape (degree + 1, n_samples)
        What is drawn, row by row; the first row holds the originals.

    See Also
    --------
    ReconstructionDisplay.from_estimator : Draw reconstructions of a fitted estimator.
    StyleMixDisplay : Mixes of two rows at one scale.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from flowkit import PHVAE, ReconstructionDisplay
    >>> X = load_digits().data[:300]
    >>> density = PHVAE(degree=2, max_epochs=2, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(density, X[:5], image_shape=(8, 8))
    >>> display.reconstructions.shape, display.pictures_.shape
    ((2, 5, 64), (3, 5))
    """

    def __init__(self, *, originals, reconstructions, image_shape=None):
        self.originals = originals
        self.reconstructions = reconstructions
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, X, *, image_shape=None, ax=None, **kwargs):
        """Draw reconstructions of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `reconstruct`; or a `Pipeline` that ends in such an estimator, or a search
            such as `GridSearchCV` whose best estimator is one. In a pipeline, rows are shown and
            reconstructed as its last step sees them.
        X : array-like of shape (n_samples, n_features)
            Rows, at least one.
        image_shape : tuple of int or None, default=None
            Height, width and, if any, number of channels of rows that are images. None takes what
            the estimator was given; where that is None too, rows are chains.
        ax : matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : ReconstructionDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator cannot reconstruct, or images of that shape are no rows.
        InvalidDataError
            If rows have another number of features than the estimator was fitted on, or there is
            none.
        """
        steps, fitted = require_method(
            estimator, "reconstruct", "PHVAE has orders of latents to reconstruct rows from"
        )
        if image_shape is None:
            image_shape = fitted.image_shape
        elif math.prod(check_image_shape(image_shape)) != fitted.n_features_in_:
            raise InvalidParameterError(
                f"image_shape={image_shape!r} is not that of rows of {fitted.n_features_in_} "
                "features."
            )
        seen = _through(steps, X)
        originals = rows_for([], fitted, seen)
        orders = range(1, fitted.degree_ + 1)
        # Not the originals, which have lost the names of their columns.
        reconstructions = [fitted.reconstruct(seen, orders[:last]) for last in orders]
        return cls(
            originals=originals,
            reconstructions=np.stack(reconstructions),
            image_shape=image_shape,
        ).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Plot the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; by default those of a new figure, large enough for all rows.
        **kwargs : dict
            Passed to `Axes.imshow`, or to `Axes.plot` for chains.

        Returns
        -------
        display : ReconstructionDisplay
            This object, with its attributes set.
        """
        rows = np.concatenate([np.asarray(self.originals)[None], self.reconstructions])
        pictures = as_pictures(rows, self.image_shape)
        limits = pictures[0].min(), pictures[0].max()
        labels = ["rows", "order 1", *(f"orders 1 to {i}" for i in range(2, len(rows)))]
        width, height = size_of(pictures[0, 0])
        lefts = width * (1 + _SPACE) * np.arange(rows.shape[1])
        tops = (height + width * _SPACE) * np.arange(len(rows))
        tops[1:] += width * (_WIDE_SPACE - _SPACE)
        across, down = lefts[-1] + width, tops[-1] + height
        inches = _CHAIN_WIDTH if self.image_shape is None else _IMAGE_WIDTH
        scale = min(inches / width, _MAX_WIDTH / across)
        new = {} if ax is not None else _figure(across * scale, down * scale, labels)
        self.ax_ = ax = require_axes(ax, f"{type(self).__name__}.plot", **new)
        self.figure_ = ax.figure
        self.pictures_ = np.full(rows.shape[:2], None)
        for i, j in np.ndindex(self.pictures_.shape):
            corner = lefts[j], tops[i]
            self.pictures_[i, j] = draw_picture(ax, pictures[i, j], corner, limits, kwargs)
        # Lines are as wide at the border as elsewhere.
        margin = 0.01 * width
        ax.set(xlim=(-margin, across + margin), ylim=(down + margin, -margin))
        ax.set(aspect="equal", xticks=[])
        ax.set_yticks(tops + height / 2, labels, fontsize=_LABEL_SIZE)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        return self


def _figure(across, down, labels):
    """Size and margins of a figure with a grid of so many inches and its labels."""
    left = max(text_width(label, _LABEL_SIZE) for label in labels) / _POINTS_PER_INCH + 2 * _MARGIN
    width, height = across + left + _MARGIN, down + 2 * _MARGIN
    grid = {
        "left": left / width,
        "right": 1 - _MARGIN / width,
        "bottom": _MARGIN / height,
        "top": 1 - _MARGIN / height,
    }
    return {"figsize": (width, height), "gridspec_kw": grid}

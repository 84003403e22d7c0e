"""Rows and their reconstructions from more and more orders of the latent, as a grid."""

from __future__ import annotations

import numpy as np

from ..nested import Unwrapped
from ._pictures import PictureGridDisplay, as_pictures, require_pixels, rows_seen
from ._style import POINTS_PER_INCH, TITLE_SIZE, text_width

# Inches of a new figure around the grid and its labels.
_MARGIN = 0.1


class ReconstructionDisplay(PictureGridDisplay):
    """Rows, and their reconstructions from the first order of the latent, the first two, and so on.

    It is recommended to use `ReconstructionDisplay.from_estimator` to create a display. All
    parameters are stored as attributes.

    The rows themselves are along the top. Below each of them are its reconstructions from the
    orders that the label at the left names; all higher orders are at the mean of the prior. Grey
    levels, or the colours of three channels, run over the range of the rows; what reconstructions
    have beyond it is clipped. Other numbers of channels are averaged. Chains are drawn as lines
    over that range.

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
    axes_ : ndarray of matplotlib Axes of shape (1,)
        The same axes.
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

    _needs = "reconstruct"
    _owners = "PHVAE has it"

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
            Fitted, has `reconstruct`, or holds an estimator that has: a `Pipeline`, a search such
            as `GridSearchCV`, a `TransformedDensity` or an outlier detector. Rows are shown and
            reconstructed as that estimator sees them.
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
        inside = cls._within(estimator)
        fitted = inside.estimator
        if image_shape is None:
            image_shape = fitted.image_shape
        else:
            require_pixels(image_shape, fitted.n_features_in_)
        seen = inside.transform(X)
        originals = rows_seen(Unwrapped(fitted), seen)
        orders = range(1, fitted.degree_ + 1)
        # Not of the originals, which have lost the names of their columns.
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
        labels = ["rows", "order 1", *(f"orders 1 to {i}" for i in range(2, len(rows)))]

        def margins():
            longest = max(text_width(label, TITLE_SIZE) for label in labels)
            left = longest / POINTS_PER_INCH + 2 * _MARGIN
            return {"left": left, **dict.fromkeys(("right", "bottom", "top"), _MARGIN)}

        limits = pictures[0].min(), pictures[0].max()
        tops, height = self._draw_grid(ax, pictures, limits, kwargs, margins=margins)
        self.ax_.set_yticks(tops + height / 2, labels, fontsize=TITLE_SIZE)
        return self

"""Coarse latents of some rows with the fine ones of others, as a grid of pictures."""

from __future__ import annotations

import numpy as np

from ._checks import check_count
from ._pictures import PictureGridDisplay, as_pictures, rows_seen
from ._style import TITLE_SIZE

# Inches of a new figure around the grid.
_MARGINS = {"left": 0.3, "right": 0.1, "bottom": 0.1, "top": 0.35}


class StyleMixDisplay(PictureGridDisplay):
    """Rows that have the coarse latents of one row and the fine ones of another.

    It is recommended to use `StyleMixDisplay.from_estimator` to create a display. All parameters
    are stored as attributes.

    Rows that give the latents of the level and of coarser ones are on the left, rows that give the
    finer latents along the top, and the mix of two is where they meet. Grey levels, or the colours
    of three channels, run over the range of the rows given; what mixes have beyond it is clipped.
    Other numbers of channels are averaged. Chains are drawn as lines over that range.

    Parameters
    ----------
    content : ndarray of shape (n_content, n_features)
        Rows on the left.
    style : ndarray of shape (n_style, n_features)
        Rows along the top.
    mixes : ndarray of shape (n_content, n_style, n_features)
        Mixed rows, as the method `mix_styles` of an estimator returns them.
    level : int
        Finest level of which mixes have the latents of the content.
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
    pictures_ : ndarray of matplotlib `AxesImage` or `Line2D` of shape (n_content + 1, n_style + 1)
        What is drawn, row by row; the first row holds the styles and the first column the
        contents, with None in the corner.

    See Also
    --------
    StyleMixDisplay.from_estimator : Draw mixes of a fitted estimator.
    LatentPyramidDisplay : Which levels of a row are surprising.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from flowkit import RGFlowDensity, StyleMixDisplay
    >>> X = load_digits().data[:300]
    >>> density = RGFlowDensity(image_shape=(8, 8), max_epochs=2, random_state=0).fit(X)
    >>> display = StyleMixDisplay.from_estimator(density, X[:3], X[3:5], level=1)
    >>> display.mixes.shape, display.pictures_.shape
    ((3, 2, 64), (4, 3))
    """

    _needs = "mix_styles"
    _owners = "RGFlowDensity has it"

    def __init__(self, *, content, style, mixes, level, image_shape=None):
        self.content = content
        self.style = style
        self.mixes = mixes
        self.level = level
        self.image_shape = image_shape

    @classmethod
    def from_estimator(cls, estimator, content, style, level, *, ax=None, **kwargs):
        """Draw mixes of a fitted estimator.

        Parameters
        ----------
        estimator : estimator instance
            Fitted, has `mix_styles`, or holds an estimator that has: a `Pipeline`, a search such
            as `GridSearchCV`, a `TransformedDensity` or an outlier detector. Rows are shown and
            mixed as that estimator sees them.
        content : array-like of shape (n_content, n_features)
            Rows that give the latents of `level` and of coarser levels.
        style : array-like of shape (n_style, n_features)
            Rows that give the latents of the finer levels.
        level : int
            Where to cut: with 0 all mixes are the content, with the number of levels the style.
        ax : matplotlib Axes, default=None
            See `plot`.
        **kwargs : dict
            See `plot`.

        Returns
        -------
        display : StyleMixDisplay
            The display, plotted.

        Raises
        ------
        InvalidParameterError
            If the estimator cannot mix, or there is no such level.
        InvalidDataError
            If rows have another number of features than the estimator was fitted on.
        """
        inside = cls._within(estimator)
        fitted = inside.estimator
        check_count("level", level, 0, fitted.n_levels_)
        content, style = (rows_seen(inside, X) for X in (content, style))
        pairs = np.repeat(content, len(style), axis=0), np.tile(style, (len(content), 1))
        mixes = fitted.mix_styles(*pairs, level).reshape(len(content), *style.shape)
        return cls(
            content=content,
            style=style,
            mixes=mixes,
            level=int(level),
            image_shape=fitted.image_shape,
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
        display : StyleMixDisplay
            This object, with its attributes set.
        """
        content, style, mixes = (
            as_pictures(np.asarray(rows), self.image_shape)
            for rows in (self.content, self.style, self.mixes)
        )
        given = np.concatenate([content, style])
        mixed = [[one, *row] for one, row in zip(content, mixes, strict=True)]
        self._draw_grid(
            ax,
            [[None, *style], *mixed],
            (given.min(), given.max()),
            kwargs,
            margins=lambda: _MARGINS,
            first_column_apart=True,
        )
        self.ax_.set_title(f"fine: finer than level {self.level}", fontsize=TITLE_SIZE, pad=4)
        self.ax_.set_ylabel(f"coarse: level {self.level} and coarser", fontsize=TITLE_SIZE)
        return self
